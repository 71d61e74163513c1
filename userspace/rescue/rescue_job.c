/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States, by what there is: the request is waited for (`whole` is not set); it is replayed; the
 * response is passed on (`committed`): from here on there is no way back, since the client has bytes
 * of it.
 */
#include "rescue/rescue_job.h"

#include "base/cleanup.h"
#include "base/container_of.h"
#include "base/duration.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "datapath/dp_rescue.h"
#include "rescue/answer_stream.h"
#include "rescue/client_patience.h"
#include "rescue/client_peer.h"
#include "rescue/http_request.h"
#include "rescue/last_exchange.h"
#include "rescue/replay.h"
#include "rescue/rescue_attempts.h"
#include "rescue/rescue_connect.h"
#include "rescue/rescue_env.h"
#include "rescue/rescue_note.h"
#include "rescue/rescue_obstacle.h"
#include "rescue/tcp_segment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of an answer: from where on the backend is not read, and again. */
enum { BUFFER_HIGH = 131072, BUFFER_LOW = 32768, SHORT_HIGH = 8192, SHORT_LOW = 2048 };

/* Of all answers: from where on each has the SHORT_ ones. */
#define BUFFERED_HIGH ((size_t)32 << 20)

/* Each has a descriptor, and some 16 KiB with its request and what was held. */
enum { JOBS_MAX = 4096 };

/* The loopback device loses nothing; a full receive buffer does. */
#define RETRANSMIT_FIRST (100 * NSEC_PER_MSEC)
#define RETRANSMIT_LAST  NSEC_PER_SEC

struct rescue_job {
	struct rescue_env *env;
	struct sw_rescue record;
	struct client_peer client;
	struct bytes captured; /* the request as it was seen */
	struct bytes held;     /* the response that was held back */
	struct bytes request;  /* as it is sent */
	struct replay replay;
	int connected; /* to the first backend to try, if the client's own was refused; or -1 */
	struct answer_stream answer;
	size_t segment; /* bytes of it that the loopback device takes at once, as far as is known */
	struct rescue_attempts attempts;
	struct loop_timer timer;
	uint64_t began;
	uint64_t deadline;      /* for the first byte of another response */
	uint64_t connect_limit; /* of this attempt */
	size_t buffered;        /* bytes of memory, as counted in env->buffered */
	struct client_patience patience;
	uint64_t retransmit; /* interval */
	bool is_charged;     /* it has a place in the budget */
	bool is_head;
	bool whole;
	bool committed;
	bool truncated;
	bool client_ended; /* it has sent a FIN, and may still read */
	struct rescue_note note;
};

static void free_job(struct rescue_job *job)
{
	loop_timer_cancel(&job->timer);
	replay_stop(&job->replay);
	cleanup_close(&job->connected);
	hashmap_remove(job->env->jobs, &job->record.cookie, sizeof(job->record.cookie));
	client_peer_done(&job->client);
	bytes_done(&job->captured);
	bytes_done(&job->held);
	bytes_done(&job->request);
	bytes_done(&job->answer.data);
	job->env->buffered -= job->buffered;
	free(job);
}

/* The job is gone after this. */
static void end(struct rescue_job *job, enum rescue_outcome outcome)
{
	rescue_note_request(&job->note, job->captured.items, job->captured.len);
	rescue_note_end(&job->note, job->env, outcome);
	if (job->is_charged)
		rescue_env_end_replay(job->env, job->record.service);
	free_job(job);
}

static void send_release(const struct client_peer *client, const struct sw_rescue *record,
			 uint8_t flags, const struct bytes *data)
{
	client_peer_send(client, SW_ORDER_RELEASE, flags | SEGMENT_ACK, record->seq, record->ack,
			 data->items, data->len);
}

/*
 * Lets through what was held back. A response that was not kept comes again: its sender has no
 * acknowledgement. A request that just takes long was never held: no answer is in the way of its own.
 */
static void release(struct rescue_job *job, enum rescue_outcome outcome)
{
	uint8_t ends = job->record.tcp_flags & (SEGMENT_FIN | SEGMENT_RST);

	if (job->held.len)
		send_release(&job->client, &job->record, SEGMENT_PSH | (ends & SEGMENT_FIN),
			     &job->held);
	else if (job->record.failure == SW_FAILURE_RESET)
		send_release(&job->client, &job->record, ends, &job->held);
	else if (job->record.failure == SW_FAILURE_REFUSED)
		send_release(&job->client, &job->record, SEGMENT_RST, &job->held);
	else
		send_release(&job->client, &job->record, 0, &job->held);
	/* The segment may not get there. */
	if (job->record.failure != SW_FAILURE_TIMEOUT)
		dp_rescue_let_go(job->env->datapath, &job->record);
	end(job, outcome);
}

static void release_unfit(struct rescue_job *job, enum sw_obstacle obstacle)
{
	rescue_env_impossible(job->env, obstacle);
	release(job, RESCUE_UNFIT);
}

static void arm(struct rescue_job *job)
{
	uint64_t when = job->deadline, now = loop_now(job->env->loop);

	if (job->committed)
		when = now + job->retransmit;
	else if (job->replay.io.fd >= 0 && !job->replay.connected && job->connect_limit < when)
		when = job->connect_limit;
	/* Armed before, so there is memory for it. */
	(void)loop_timer_arm(job->env->loop, &job->timer, when);
}

/* What the client is told to have been received. */
static uint32_t client_ack(const struct rescue_job *job)
{
	return job->record.ack + job->client_ended;
}

/* The client is slower than the backend: no more is read than memory allows. */
static void keep_pace(struct rescue_job *job)
{
	struct bytes *data = &job->answer.data;
	bool is_short;

	bytes_trim(data);
	job->env->buffered += data->cap - job->buffered;
	job->buffered = data->cap;
	is_short = job->env->buffered > BUFFERED_HIGH;
	job->replay.read_max = is_short ? SHORT_HIGH : REPLAY_READ_MAX;
	if (data->len > (is_short ? SHORT_HIGH : BUFFER_HIGH))
		replay_pause(&job->replay, true);
	else if (data->len < (is_short ? SHORT_LOW : BUFFER_LOW))
		replay_pause(&job->replay, false);
}

static int send_piece(const struct rescue_job *job, const struct answer_piece *piece)
{
	uint8_t flags = SEGMENT_ACK | SEGMENT_PSH | (piece->fin ? SEGMENT_FIN : 0);

	return client_peer_send(&job->client, SW_ORDER_ANSWER, flags,
				job->answer.seq + (uint32_t)piece->at, client_ack(job),
				job->answer.data.items + piece->at, piece->len);
}

/* Sends as much of the answer as the client takes. */
static void pump(struct rescue_job *job)
{
	struct answer_piece piece;
	int err = 0;

	while (!err && answer_stream_next(&job->answer, job->segment, &piece)) {
		err = send_piece(job, &piece);
		if (err == -EMSGSIZE && job->segment > SEGMENT_PAYLOAD_MIN) {
			answer_stream_take_back(&job->answer, &piece);
			job->segment /= 2;
			err = 0;
		}
		/* Of anything else: it is sent again later. */
	}
	keep_pace(job);
}

/*
 * TCP takes a reset only with exactly the next sequence number: what the client has acknowledged,
 * and what it has got since.
 */
static void reset_client(const struct rescue_job *job)
{
	client_peer_send(&job->client, SW_ORDER_ANSWER, SEGMENT_RST | SEGMENT_ACK,
			 job->answer.seq + (uint32_t)job->answer.sent, client_ack(job), NULL, 0);
}

static void next_attempt(struct rescue_job *job);

/* The other backend's response is good: the client gets it. */
static void commit(struct rescue_job *job)
{
	job->committed = true;
	job->note.took = loop_now(job->env->loop) - job->began;
	job->answer.seq = job->record.seq;
	job->answer.window = job->record.window;
	job->patience = client_patience_from(loop_now(job->env->loop));
	job->retransmit = RETRANSMIT_FIRST;
	bytes_done(&job->held);
}

static void pass_on(struct rescue_job *job, bool whole)
{
	struct replay *replay = &job->replay;

	if (bytes_append(&job->answer.data, replay->out.items, replay->out.len)) {
		reset_client(job);
		end(job, RESCUE_ERROR);
		return;
	}
	bytes_done(&replay->out);
	if (whole) {
		job->answer.end = true;
		replay_stop(replay);
	}
	pump(job);
	arm(job);
}

static bool is_retryable(unsigned int status)
{
	return status == 500 || status == 502 || status == 503 || status == 504;
}

/* The other backend has failed in its turn: no worse than if the client had gone there. */
static void pass_failure_on(struct rescue_job *job)
{
	job->truncated = true;
	if (job->replay.error) {
		reset_client(job);
		client_peer_reset_backend(&job->client, job->record.ack);
		end(job, RESCUE_TRUNCATED);
		return;
	}
	pass_on(job, true);
}

static void on_replay(struct replay *replay, enum replay_event event)
{
	struct rescue_job *job = container_of(replay, struct rescue_job, replay);

	if (event == REPLAY_FAILED) {
		if (job->committed)
			pass_failure_on(job);
		else
			next_attempt(job);
		return;
	}
	if (!job->committed) {
		if (!replay->response.status)
			return;
		if (is_retryable(replay->response.status)) {
			next_attempt(job);
			return;
		}
		commit(job);
	}
	pass_on(job, event == REPLAY_WHOLE);
}

static int start_replay(struct rescue_job *job, const struct sw_backend *backend)
{
	uint64_t now = loop_now(job->env->loop);
	int err;

	rescue_note_other(&job->note, backend);
	err = replay_start(&job->replay, &job->client, &job->note.other, job->note.other_port,
			   &job->request, job->is_head);
	job->connect_limit = now + (job->deadline - job->began) / 4;
	if (!err)
		arm(job);
	return err;
}

/* Goes to another backend, or gives up if there is none. */
static void next_attempt(struct rescue_job *job)
{
	struct sw_backend backend;
	int err = -ETIME;

	replay_stop(&job->replay);
	while (loop_now(job->env->loop) < job->deadline) {
		err = rescue_attempts_next(&job->attempts, job->env, &job->record, &backend);
		if (err)
			break;
		if (!start_replay(job, &backend))
			return;
		err = -ETIME;
	}
	release(job, rescue_attempts_outcome(err));
}

static void probe_window(const struct rescue_job *job)
{
	/* What is old is answered by an acknowledgement that tells the window. */
	client_peer_send(&job->client, SW_ORDER_ANSWER, SEGMENT_ACK, job->answer.seq - 1,
			 client_ack(job), NULL, 0);
}

/* For a FIN, and for a keep-alive probe, whose number is one too low. */
static void acknowledge(const struct rescue_job *job)
{
	client_peer_send(&job->client, SW_ORDER_ANSWER, SEGMENT_ACK,
			 job->answer.seq + (uint32_t)job->answer.sent, client_ack(job), NULL, 0);
}

/* It has a part of the answer perhaps: if it is there after all, it must not wait for the rest. */
static void give_client_up(struct rescue_job *job)
{
	reset_client(job);
	dp_rescue_let_go(job->env->datapath, &job->record);
	end(job, RESCUE_CLIENT_GONE);
}

static void on_silence(struct rescue_job *job, uint64_t now)
{
	if (!answer_stream_waits(&job->answer)) {
		job->patience = client_patience_from(now); /* it is the backend that is slow */
		acknowledge(job); /* tells the kernel that there is more to come */
	} else if (client_patience_ends(&job->patience, now)) {
		give_client_up(job);
		return;
	} else {
		answer_stream_rewind(&job->answer);
		if (!job->answer.window)
			probe_window(job);
		pump(job);
	}
	if (job->retransmit < RETRANSMIT_LAST)
		job->retransmit *= 2;
	arm(job);
}

static void on_timer(struct loop_timer *timer, uint64_t now)
{
	struct rescue_job *job = container_of(timer, struct rescue_job, timer);

	if (job->committed)
		on_silence(job, now);
	else if (now >= job->deadline && job->whole)
		release(job, RESCUE_TOO_LATE);
	else if (now >= job->deadline)
		release_unfit(job, SW_OBSTACLE_INCOMPLETE);
	else if (job->replay.connected)
		arm(job); /* slow to answer, but there: it has until the deadline */
	else
		next_attempt(job);
}

/* On the connection that was made for it, if there is one. */
static void first_attempt(struct rescue_job *job)
{
	int fd = job->connected;

	job->connected = -1;
	if (fd >= 0 && !replay_start_on(&job->replay, fd, &job->request, job->is_head))
		arm(job);
	else
		next_attempt(job);
}

/* The request with a line that says that it is not the first attempt. */
static int make_request(struct rescue_job *job, const struct http_request *parsed)
{
	static const char mark[] = "Swerve-Attempt: 2\r\n";
	const struct bytes *captured = &job->captured;
	int err = bytes_append(&job->request, captured->items, parsed->line_len);

	if (!err && job->env->mark_attempts)
		err = bytes_append(&job->request, mark, sizeof(mark) - 1);
	if (!err)
		err = bytes_append(&job->request, captured->items + parsed->line_len,
				   captured->len - parsed->line_len);
	return err;
}

/* Replays the request if it is all there. */
static void consider(struct rescue_job *job)
{
	enum http_request_verdict verdict;
	struct http_request parsed;

	verdict = http_request_parse(job->captured.items, job->captured.len, &parsed);
	switch (verdict) {
	case HTTP_REQUEST_WHOLE:
		break;
	case HTTP_REQUEST_PARTIAL:
		arm(job);
		return;
	default:
		release_unfit(job, rescue_obstacle_of(verdict));
		return;
	}
	job->whole = true;
	job->is_head = parsed.is_head;
	if (make_request(job, &parsed))
		release(job, RESCUE_ERROR);
	else
		first_attempt(job);
}

static int set_held(struct rescue_job *job, const struct sw_rescue *record)
{
	return bytes_append(&job->held, (const char *)record + record->response_at,
			    record->response_len);
}

/*
 * Takes over what was captured. Returns 0 or -ENOMEM. What is shorter was overtaken, by what the client has
 * sent since, on another CPU.
 */
static int set_request(struct rescue_job *job, const struct sw_rescue *record)
{
	int err = set_held(job, record);

	if (err || record->request_len < job->captured.len)
		return err;
	job->record = *record;
	bytes_drop(&job->captured, job->captured.len);
	return bytes_append(&job->captured, (const char *)(record + 1), record->request_len);
}

static struct rescue_job *make_job(struct rescue_env *env, const struct sw_rescue *record)
{
	uint64_t now = loop_now(env->loop);
	struct rescue_job *job = calloc(1, sizeof(*job));
	uint32_t timeout = dp_rescue_service(env->datapath, record->service)->policy.retry_timeout;

	if (!job)
		return NULL;
	job->env = env;
	job->client = client_peer_of(record);
	job->timer.fn = on_timer;
	job->began = now;
	job->deadline = now + timeout * NSEC_PER_MSEC;
	job->attempts = rescue_attempts_after(record);
	job->connected = -1;
	job->segment = SEGMENT_PAYLOAD_MAX;
	replay_init(&job->replay, env->loop, on_replay);
	if (set_request(job, record) || loop_timer_arm(env->loop, &job->timer, job->deadline) ||
	    hashmap_put(env->jobs, &record->cookie, sizeof(record->cookie), job)) {
		free_job(job);
		return NULL;
	}
	job->note = rescue_note_of(env, record, &job->client);
	return job;
}

/* Whether the budget allows it; a connection that waits for the request has its place there. */
static bool may_replay(struct rescue_job *job)
{
	struct rescue_connected connected;

	if (!rescue_connect_take(job->env, &job->record, &connected)) {
		job->is_charged = rescue_env_begin_replay(job->env, job->record.service);
		return job->is_charged;
	}
	job->is_charged = true;
	job->connected = connected.fd;
	job->attempts = connected.attempts;
	rescue_note_other(&job->note, &connected.backend);
	return true;
}

static void begin(struct rescue_env *env, const struct sw_rescue *record)
{
	struct rescue_job *job = make_job(env, record);
	bool is_found;

	/* Without memory for the job there may be enough to let the client see its failure. */
	if (!job) {
		log_error("out of memory: a failed request is not replayed");
		dp_rescue_let_go(env->datapath, record);
		return;
	}
	is_found = !client_peer_find(&job->client, env->netns, loop_now(env->loop));
	if (hashmap_len(env->jobs) > JOBS_MAX)
		release(job, RESCUE_ERROR);
	else if (!may_replay(job))
		release(job, RESCUE_NO_BUDGET);
	else if (!is_found)
		release(job, RESCUE_CLIENT_GONE);
	else if (!last_exchange_is_over(record))
		release_unfit(job, SW_OBSTACLE_EXCHANGE);
	else
		consider(job);
}

/* What took too long has failed by now, and that is held: it must be let through in the end. */
static void fail_late(struct rescue_job *job, const struct sw_rescue *record)
{
	if (job->record.failure == SW_FAILURE_TIMEOUT) {
		job->record.failure = record->failure;
		job->record.tcp_flags = record->tcp_flags;
	}
	/* Without memory it comes again. */
	(void)set_held(job, record);
}

static struct rescue_job *find(const struct rescue_env *env, const struct sw_rescue *record)
{
	return hashmap_get(env->jobs, &record->cookie, sizeof(record->cookie));
}

void rescue_job_report(struct rescue_env *env, const struct sw_rescue *record)
{
	struct rescue_job *job = find(env, record);

	if (job && job->record.since != record->since) {
		end(job, RESCUE_TOO_LATE); /* that was over, or there would be no other */
		job = NULL;
	}
	if (!job) {
		begin(env, record);
	} else if (job->whole) {
		fail_late(job, record);
	} else {
		if (set_request(job, record))
			release(job, RESCUE_ERROR);
		else
			consider(job);
	}
}

void rescue_job_progress(struct rescue_env *env, const struct sw_rescue *record)
{
	struct rescue_job *job = find(env, record);

	if (!job || job->record.since != record->since)
		return;
	job->client_ended |= (record->tcp_flags & SEGMENT_FIN) != 0;
	if (!job->committed) {
		if (record->tcp_flags & SEGMENT_RST)
			end(job, RESCUE_CLIENT_GONE);
		return;
	}
	job->patience.heard = loop_now(env->loop);
	if (answer_stream_ack(&job->answer, record->seq, record->window)) {
		job->patience.moved = job->patience.heard;
		job->retransmit = RETRANSMIT_FIRST;
	}
	if (job->answer.done) {
		/* The client's kernel has acknowledged what this backend never sent. */
		if (job->note.cause != RESCUE_REFUSED)
			client_peer_reset_backend(&job->client, job->record.ack);
		end(job, job->truncated ? RESCUE_TRUNCATED : RESCUE_RESCUED);
	} else if (record->tcp_flags & SEGMENT_RST) {
		end(job, RESCUE_CLIENT_GONE);
	} else {
		if (record->tcp_flags & SEGMENT_FIN || record->ack != client_ack(job))
			acknowledge(job);
		pump(job);
		arm(job);
	}
}

void rescue_job_over(struct rescue_env *env, const struct sw_rescue *record)
{
	struct rescue_job *job = find(env, record);

	if (job && job->record.since == record->since)
		end(job, RESCUE_TOO_LATE);
}

void rescue_job_end_all(struct rescue_env *env)
{
	struct hashmap_iter iter = {};

	while (hashmap_next(env->jobs, &iter)) {
		struct rescue_job *job = iter.value;

		if (job->committed) {
			reset_client(job);
			end(job, RESCUE_ERROR);
		} else {
			release(job, RESCUE_ERROR);
		}
	}
}
