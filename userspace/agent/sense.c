/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sense.h"

#include "agent/backend_index.h"
#include "agent/down_conns.h"
#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/vec.h"
#include "datapath/datapath.h"
#include "datapath/dp_events.h"
#include "datapath/dp_evidence.h"
#include "health/health.h"
#include "loop/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/*
 * Connections may fail for one client only, by a NetworkPolicy of its own. One of this node, which is
 * made at once, tells. For so long it is not asked again.
 */
#define EXCUSED   (10 * NSEC_PER_SEC)
#define ASK_AGAIN (5 * NSEC_PER_MSEC)

/* A backend that is out until a moment. */
struct ejected {
	uint32_t backend;
	uint64_t since;
	uint64_t until;
	uint64_t
		ask; /* when to look whether a connection of this node is let in; UINT64_MAX: not */
};

struct sense {
	struct sense_parts parts;
	struct dp_events *events;
	struct loop_io io;
	struct loop_timer timer; /* the next ejection is over */
	VEC(struct ejected) ejected;
	struct sense_totals totals;
};

static const struct backend_info *info_of(const struct sense *sense, uint32_t backend)
{
	return backend_index_get(sense->parts.backends, backend);
}

static void plan_again(const struct sense *sense, uint32_t backend)
{
	const struct backend_info *info = info_of(sense, backend);

	if (info)
		sense->parts.changed(sense->parts.arg, info->service);
}

static void arm(struct sense *sense)
{
	uint64_t due = UINT64_MAX;

	vec_foreach(&sense->ejected, ejected) {
		due = ejected->until < due ? ejected->until : due;
		due = ejected->ask < due ? ejected->ask : due;
	}
	if (due == UINT64_MAX)
		return;
	if (loop_timer_arm(sense->parts.loop, &sense->timer, due))
		log_error("out of memory: a backend that was ejected comes back late");
}

static void log_backend(enum log_level level, const struct backend_info *info, const char *what,
			const char *why)
{
	char where[ADDR_PORT_STR_SIZE];

	addr_port_to_str(&info->addr, info->port, where);
	log_line(level, "backend %s (%s) of \"%s\" %s: %s", where,
		 *info->target ? info->target : "no pod named", info->service, what, why);
}

/* Whether it came back, since a connection of this node was let in where clients' failed. */
static bool is_excused(struct sense *sense, struct ejected *ejected, uint64_t now)
{
	const struct backend_info *info = info_of(sense, ejected->backend);
	int admits = health_admits(sense->parts.health, ejected->backend, ejected->since);

	if (admits != 1 || !info) {
		ejected->ask = admits == -EAGAIN ? now + ASK_AGAIN : UINT64_MAX;
		return false;
	}
	datapath_excuse(sense->parts.datapath, ejected->backend, now + EXCUSED, now);
	sense->totals.excused++;
	log_backend(LOG_INFO, info, "is back after its ejection",
		    "a connection of this node was let in: they fail for some clients only");
	return true;
}

/* Its ejection is over, unless another one has begun: then there was an event of it. */
static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct sense *sense = container_of(timer, struct sense, timer);
	size_t left = 0;

	for (size_t i = 0; i < sense->ejected.len; i++) {
		struct ejected ejected = sense->ejected.items[i];

		if (ejected.until > now && (ejected.ask > now || !is_excused(sense, &ejected, now)))
			sense->ejected.items[left++] = ejected;
		else
			plan_again(sense, ejected.backend);
	}
	sense->ejected.len = left;
	arm(sense);
}

/* An ejection that was tried out and prolonged replaces the one before. */
static void watch(struct sense *sense, const struct ejected *entry)
{
	size_t left = 0;

	for (size_t i = 0; i < sense->ejected.len; i++) {
		if (sense->ejected.items[i].backend != entry->backend)
			sense->ejected.items[left++] = sense->ejected.items[i];
	}
	sense->ejected.len = left;
	if (vec_push(&sense->ejected, *entry))
		log_error("out of memory: a backend that was ejected comes back late");
	arm(sense);
}

static void on_ejected(struct sense *sense, const struct sw_event *event,
		       const struct backend_info *info)
{
	char why[DP_EVIDENCE_SIZE], length[DURATION_STR_SIZE], what[DURATION_STR_SIZE + 16];
	uint64_t ms = (event->until - event->time) / NSEC_PER_MSEC;
	bool connect = event->evidence == SW_EVIDENCE_REFUSED ||
		       event->evidence == SW_EVIDENCE_UNREACHABLE ||
		       event->evidence == SW_EVIDENCE_TIMEOUT;

	sense->totals.ejections++;
	snprintf(what, sizeof(what), "is ejected for %s",
		 duration_to_str(ms * NSEC_PER_MSEC, length));
	log_backend(LOG_WARN, info, what, dp_evidence_to_str(event->evidence, event->status, why));
	watch(sense, &(struct ejected){.backend = event->backend,
				       .since = event->time,
				       .until = event->until,
				       .ask = connect ? 0 : UINT64_MAX});
	if (event->status || event->evidence == SW_EVIDENCE_NO_PORT)
		down_conns_failing(sense->parts.conns, event->backend);
	health_doubt(sense->parts.health, event->backend);
	plan_again(sense, event->backend);
}

static void on_spared(struct sense *sense, const struct sw_event *event,
		      const struct backend_info *info)
{
	char why[DP_EVIDENCE_SIZE];

	sense->totals.spared++;
	log_backend(LOG_DEBUG, info, "is not ejected, too few others are left",
		    dp_evidence_to_str(event->evidence, event->status, why));
	health_doubt(sense->parts.health, event->backend);
}

static void on_poison(struct sense *sense, const struct backend_info *info)
{
	sense->totals.poison++;
	log_warn(
		"several backends of \"%s\" fail at once although probes reach them: it may be the "
		"requests, none is ejected for its responses for 10 s",
		info->service);
	plan_again(sense, info->index);
}

static void on_event(void *arg, const struct sw_event *event)
{
	struct sense *sense = arg;
	const struct backend_info *info = info_of(sense, event->backend);

	/* Its element may have been given away since. */
	if (!info ||
	    event->generation != datapath_generation(sense->parts.datapath, event->backend))
		return;
	switch ((enum sw_event_kind)event->kind) {
	case SW_EVENT_DOUBT:
		sense->totals.doubts++;
		health_doubt(sense->parts.health, event->backend);
		return;
	case SW_EVENT_EJECTED:
		on_ejected(sense, event, info);
		return;
	case SW_EVENT_SPARED:
		on_spared(sense, event, info);
		return;
	case SW_EVENT_POISON:
		on_poison(sense, info);
		return;
	case SW_EVENT_STRAY:
		down_conns_failing(sense->parts.conns, event->backend);
		return;
	case SW_EVENT_LOWERED:
		log_backend(LOG_WARN, info, "gets half of its share", "some of its responses fail");
		return;
	case SW_EVENT_RAISED:
		log_backend(LOG_INFO, info, "gets all of its share again",
			    "few of its responses fail, or none");
		return;
	case SW_EVENT_RETURNED:
		log_backend(LOG_INFO, info, "is back after its ejection",
			    "a connection tried it out");
		plan_again(sense, event->backend);
		return;
	}
}

static void on_readable(struct loop_io *io, uint32_t events)
{
	struct sense *sense = container_of(io, struct sense, io);

	(void)events;
	dp_events_read(sense->events);
}

static void cleanup_sense(struct sense **sense)
{
	sense_free(*sense);
}

int sense_new(const struct sense_parts *parts, const char *pin_dir, struct sense **ret)
{
	_cleanup_(cleanup_sense) struct sense *sense = calloc(1, sizeof(*sense));
	int err;

	if (!sense)
		return -ENOMEM;
	sense->parts = *parts;
	sense->timer.fn = on_timer;
	sense->io.fn = on_readable;
	err = dp_events_open(pin_dir, on_event, sense, &sense->events);
	if (err)
		return err;
	sense->io.fd = dp_events_fd(sense->events);
	err = loop_io_add(parts->loop, &sense->io, EPOLLIN);
	if (err)
		return err;
	*ret = TAKE_PTR(sense);
	return 0;
}

void sense_free(struct sense *sense)
{
	if (!sense)
		return;
	loop_timer_cancel(&sense->timer);
	loop_io_del(&sense->io);
	dp_events_close(sense->events);
	vec_done(&sense->ejected);
	free(sense);
}

void sense_note(struct sense *sense, uint32_t backend)
{
	uint64_t until = datapath_ejected_until(sense->parts.datapath, backend);

	if (until > loop_now(sense->parts.loop))
		watch(sense,
		      &(struct ejected){.backend = backend, .until = until, .ask = UINT64_MAX});
}

struct sense_totals sense_totals(const struct sense *sense)
{
	return sense->totals;
}
