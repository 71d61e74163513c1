/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health_admission.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "health/probe.h"

#include <errno.h>
#include <stdlib.h>

struct health_admission {
	struct probe probe;
	int result;
};

static void on_done(struct probe *probe, const struct probe_result *result)
{
	container_of(probe, struct health_admission, probe)->result = !result->error;
}

int health_admission_begin(struct loop *loop, const struct addr *addr, uint16_t port,
			   uint64_t timeout, struct health_admission **ret)
{
	static const struct probe_spec spec = {.kind = PROBE_TCP};
	_cleanup_free_ struct health_admission *admission = calloc(1, sizeof(*admission));
	int err;

	if (!admission)
		return -ENOMEM;
	admission->probe.loop = loop;
	admission->probe.done = on_done;
	admission->result = -EAGAIN;
	err = probe_start(&admission->probe, &spec, addr, port, timeout);
	/* Refused at once, as on the node itself, is an answer. */
	if (err == -ECONNREFUSED)
		admission->result = 0;
	else if (err)
		return err;
	*ret = TAKE_PTR(admission);
	return 0;
}

void health_admission_free(struct health_admission *admission)
{
	if (!admission)
		return;
	probe_stop(&admission->probe);
	free(admission);
}

int health_admission_result(const struct health_admission *admission)
{
	return admission->result;
}
