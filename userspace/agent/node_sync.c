/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/node_sync.h"

#include "agent/node_table.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "model/model.h"
#include "net/local_addrs.h"
#include "status/health_check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct node_sync {
	struct local_addrs *local;
	void (*fn)(void *arg);
	void *arg;
	bool fresh;       /* the kernel has what the version of the nodes says */
	uint64_t version; /* of the model's nodes */
	int err;          /* of the last attempt */
};

static void on_local_addrs(void *arg)
{
	struct node_sync *sync = arg;

	sync->fresh = false;
	sync->fn(sync->arg);
}

int node_sync_new(struct loop *loop, void (*fn)(void *arg), void *arg, struct node_sync **ret)
{
	_cleanup_free_ struct node_sync *sync = calloc(1, sizeof(*sync));
	int err;

	if (!sync)
		return -ENOMEM;
	sync->fn = fn;
	sync->arg = arg;
	err = local_addrs_new(loop, on_local_addrs, sync, &sync->local);
	if (err)
		return err;
	*ret = TAKE_PTR(sync);
	return 0;
}

void node_sync_free(struct node_sync *sync)
{
	if (!sync)
		return;
	local_addrs_free(sync->local);
	free(sync);
}

static int set_nodes(const struct node_sync *sync, const struct model *model,
		     struct datapath *datapath)
{
	struct dp_nodes nodes = {};
	int err = node_table_make(model, local_addrs_get(sync->local), &nodes);

	if (!err)
		err = datapath_set_nodes(datapath, &nodes);
	vec_done(&nodes);
	return err;
}

/* As kube-proxy: what load balancers ask is answered where NodePorts are reached. */
static int set_health_checks(const struct node_sync *sync, const struct model *model,
			     struct health_checks *checks)
{
	struct addr_list own = {};
	int err = node_table_own(model, local_addrs_get(sync->local), &own);

	if (!err)
		err = health_checks_listen(checks, own.items, own.len);
	vec_done(&own);
	return err;
}

static void say(const struct node_sync *sync, int err)
{
	if (err && err != sync->err)
		log_error("NodePorts are not reached at some addresses of nodes: %s, trying again "
			  "every second",
			  err == -E2BIG ? "a map is full" : strerror(-err));
	if (!err && sync->err)
		log_info("NodePorts are reached at all addresses of nodes now");
}

void node_sync_refresh(struct node_sync *sync, const struct model *model, struct datapath *datapath,
		       struct health_checks *checks)
{
	uint64_t version = model_nodes_version(model);
	int err, checks_err;

	if (sync->fresh && sync->version == version)
		return;
	err = set_nodes(sync, model, datapath);
	say(sync, err);
	checks_err = set_health_checks(sync, model, checks);
	if (checks_err)
		log_error("load balancers can not ask at some addresses of this node: %s, trying "
			  "again every second",
			  strerror(-checks_err));
	sync->err = err;
	sync->fresh = !err;
	sync->version = version;
}
