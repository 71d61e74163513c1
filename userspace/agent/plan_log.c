/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/plan_log.h"

#include "base/addr.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "datapath/dp_encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct trouble {
	int err;
	size_t skipped;
	size_t conflicts;
	struct sw_frontend_key conflict;
};

struct plan_log {
	struct hashmap *troubles; /* "namespace/name" -> struct trouble, owned */
};

int plan_log_new(struct plan_log **ret)
{
	struct plan_log *log = calloc(1, sizeof(*log));
	int err;

	if (!log)
		return -ENOMEM;
	err = hashmap_new(&log->troubles);
	if (err) {
		free(log);
		return err;
	}
	*ret = log;
	return 0;
}

void plan_log_free(struct plan_log *log)
{
	if (!log)
		return;
	hashmap_foreach(log->troubles, iter)
		free(iter.value);
	hashmap_free(log->troubles);
	free(log);
}

static bool is_same(const struct trouble *a, const struct trouble *b)
{
	return a->err == b->err && a->skipped == b->skipped && a->conflicts == b->conflicts &&
	       !memcmp(&a->conflict, &b->conflict, sizeof(a->conflict));
}

static void say(const char *service, const struct trouble *trouble)
{
	char where[ADDR_PORT_STR_SIZE];

	if (trouble->err)
		log_error("service \"%s\" is not fully applied: %s, trying again every second",
			  service,
			  trouble->err == -ENOSPC
				  ? "a map is full (see the metric swerve_map_entries)"
				  : strerror(-trouble->err));
	if (trouble->conflicts)
		log_error("service \"%s\": %s belongs to another service, %zu frontend(s) are not "
			  "served, trying again every second",
			  service, dp_frontend_key_to_str(&trouble->conflict, where),
			  trouble->conflicts);
	if (trouble->skipped)
		log_warn(
			"service \"%s\": %zu SCTP port(s) are not served: the kernel has no hook for "
			"connect() of SCTP",
			service, trouble->skipped);
}

static void remember(struct plan_log *log, const char *service, const struct trouble *trouble)
{
	struct trouble *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return;
	*copy = *trouble;
	if (hashmap_put_str(log->troubles, service, copy))
		free(copy);
}

void plan_log_result(struct plan_log *log, const char *service, int err, size_t skipped,
		     const struct datapath_result *result)
{
	struct trouble now = {.err = err, .skipped = skipped, .conflicts = result->conflicts};
	struct trouble *before = hashmap_get_str(log->troubles, service);
	bool fine = !err && !skipped && !now.conflicts;

	if (now.conflicts)
		now.conflict = result->conflict;
	if (before ? is_same(before, &now) : fine)
		return;
	free(hashmap_remove_str(log->troubles, service));
	say(service, &now);
	if (fine)
		log_info("service \"%s\" is fully applied now", service);
	else
		remember(log, service, &now);
}
