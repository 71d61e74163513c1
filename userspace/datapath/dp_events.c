/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_events.h"

#include "base/cleanup.h"
#include "datapath/dp_maps.h"
#include "datapath/dp_pin_dir.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

struct dp_events {
	struct ring_buffer *ring;
	dp_event_fn *fn;
	void *arg;
};

static int on_record(void *arg, void *data, size_t size)
{
	const struct dp_events *events = arg;

	if (size >= sizeof(struct sw_event))
		events->fn(events->arg, data);
	return 0;
}

static void close_events(struct dp_events **events)
{
	dp_events_close(*events);
}

int dp_events_open(const char *pin_dir, dp_event_fn *fn, void *arg, struct dp_events **ret)
{
	_cleanup_(close_events) struct dp_events *events = calloc(1, sizeof(*events));
	_cleanup_close_ int map = -1;
	char path[PATH_MAX];
	int err = dp_pin_path(pin_dir, dp_map_name(DP_MAP_EVENTS), path, sizeof(path));

	if (err || !events)
		return err ? err : -ENOMEM;
	map = bpf_obj_get(path);
	if (map < 0)
		return map;
	events->fn = fn;
	events->arg = arg;
	/* It maps the buffer, so the descriptor may go. */
	events->ring = ring_buffer__new(map, on_record, events, NULL);
	if (!events->ring)
		return -errno;
	*ret = TAKE_PTR(events);
	return 0;
}

void dp_events_close(struct dp_events *events)
{
	if (!events)
		return;
	ring_buffer__free(events->ring);
	free(events);
}

int dp_events_fd(const struct dp_events *events)
{
	return ring_buffer__epoll_fd(events->ring);
}

int dp_events_read(struct dp_events *events)
{
	int n = ring_buffer__consume(events->ring);

	return n < 0 ? n : 0;
}
