/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/hashmap.h"

#include <errno.h>
#include <stdint.h>

struct rescue {
	struct rescue_worker_config config;
	struct hashmap *services;      /* "namespace/name" → struct service_entry */
	struct rescue_worker *worker;  /* NULL: none has opted in, or it could not start */
	uint64_t not_before;           /* when it may be started again */
	struct rescue_results results; /* of workers before this one */
};

struct service_entry {
	uint64_t request_timeout; /* ns; 0: none */
};

/* A request is noticed to be late within an eighth of its time-out. */
#define SCAN_SHARE 8
#define SCAN_MIN   (5 * NSEC_PER_MSEC)
#define SCAN_MAX   (250 * NSEC_PER_MSEC)

int rescue_new(const struct rescue_worker_config *config, struct rescue **ret)
{
	struct rescue *rescue = calloc(1, sizeof(*rescue));

	if (!rescue)
		return -ENOMEM;
	rescue->config = *config;
	if (hashmap_new(&rescue->services)) {
		free(rescue);
		return -ENOMEM;
	}
	*ret = rescue;
	return 0;
}

void rescue_free(struct rescue *rescue)
{
	if (!rescue)
		return;
	rescue_worker_stop(rescue->worker);
	hashmap_foreach(rescue->services, iter)
		free(iter.value);
	hashmap_free(rescue->services);
	free(rescue);
}

static uint64_t scan_interval(const struct rescue *rescue)
{
	uint64_t least = UINT64_MAX, interval;

	hashmap_foreach(rescue->services, iter) {
		const struct service_entry *entry = iter.value;

		if (entry->request_timeout && entry->request_timeout < least)
			least = entry->request_timeout;
	}
	if (least == UINT64_MAX)
		return 0;
	interval = least / SCAN_SHARE;
	return interval < SCAN_MIN ? SCAN_MIN : interval > SCAN_MAX ? SCAN_MAX : interval;
}

static int start(struct rescue *rescue, uint64_t now, struct dp_problem *problem)
{
	int err;

	if (now < rescue->not_before)
		return 0;
	err = rescue_worker_start(&rescue->config, &rescue->results, &rescue->worker, problem);
	if (err)
		rescue->not_before = now + RESCUE_START_INTERVAL;
	return err;
}

/* Starts or stops the worker, and tells it how often to look. */
static int follow(struct rescue *rescue, uint64_t now, struct dp_problem *problem)
{
	int err = 0;

	if (!hashmap_len(rescue->services)) {
		if (rescue->worker)
			rescue_worker_results(rescue->worker, &rescue->results);
		rescue_worker_stop(rescue->worker);
		rescue->worker = NULL;
		return 0;
	}
	if (!rescue->worker)
		err = start(rescue, now, problem);
	if (rescue->worker)
		rescue_worker_set_scan(rescue->worker, scan_interval(rescue));
	return err;
}

static int add(struct rescue *rescue, const char *service, uint64_t request_timeout)
{
	struct service_entry *entry = calloc(1, sizeof(*entry));

	if (!entry || hashmap_put_str(rescue->services, service, entry)) {
		free(entry);
		return -ENOMEM;
	}
	entry->request_timeout = request_timeout;
	return 0;
}

int rescue_set_service(struct rescue *rescue, const char *service, bool wanted,
		       uint64_t request_timeout, uint64_t now, struct dp_problem *problem)
{
	struct service_entry *entry = hashmap_get_str(rescue->services, service);

	if (!wanted && !entry)
		return 0;
	if (wanted && entry && entry->request_timeout == request_timeout && rescue->worker)
		return 0;
	if (!wanted) {
		free(hashmap_remove_str(rescue->services, service));
	} else if (entry) {
		entry->request_timeout = request_timeout;
	} else {
		int err = add(rescue, service, request_timeout);

		if (err)
			return dp_problem(problem, err, "out of memory.");
	}
	return follow(rescue, now, problem);
}

void rescue_backend_down(struct rescue *rescue, uint32_t backend)
{
	if (rescue->worker)
		rescue_worker_backend_down(rescue->worker, backend);
}

void rescue_view(const struct rescue *rescue, struct rescue_view *ret)
{
	*ret = (struct rescue_view){.services = hashmap_len(rescue->services),
				    .running = rescue->worker,
				    .results = rescue->results};
	if (rescue->worker)
		rescue_worker_results(rescue->worker, &ret->results);
}
