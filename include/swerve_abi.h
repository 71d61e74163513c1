/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only contract between the BPF programs and userspace: keys and values of the pinned maps.
 *
 * Rules. Named structs and enums, so that they are in BTF and `bpftool map dump` shows names.
 * Fixed-width types and no hidden padding: hash keys are compared as bytes. Ports are in host byte
 * order. Times are nanoseconds of CLOCK_MONOTONIC (bpf_ktime_get_ns()). Every field has one writer.
 * Whoever changes the size or the meaning of anything here raises SW_ABI_VERSION: a daemon that
 * finds pinned maps of another version refuses them, it never misreads them.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

enum {
	SW_ABI_VERSION = 6,

	SW_MAX_FRONTENDS = 65536,
	SW_MAX_NODES = 32768, /* addresses of nodes */
	SW_MAX_SERVICES = 32768,
	SW_MAX_SLOTS = 262144,
	SW_MAX_BACKENDS = 131072,
	SW_EVENTS_SIZE = 262144, /* bytes of sw_events; a power of two, and whole pages */
	SW_MAX_AFFINITY = 65536,
	SW_MAX_UDP_SPILL = 16384,
	SW_MAX_SOURCES = 65536, /* ranges of addresses */
	SW_UDP_FLOWS = 8,       /* what an unconnected UDP socket has in its storage */

	SW_SERVICE_NAME_SIZE =
		144, /* namespace/name:port/proto: 63 + 1 + 63 + 1 + 5 + 1 + 4 + NUL */
};

/* A daemon whose heartbeat is older than this no longer decides over health (nanoseconds). */
#define SW_HEARTBEAT_TIMEOUT 5000000000ULL

/*
 * An IPv4 address is ::ffff:a.b.c.d: one key format and one code path for both families.
 * aligned(4) lets the compiler load the IPv4 part at once.
 */
struct sw_addr {
	__u8 bytes[16]; /* network byte order */
} __attribute__((aligned(4)));

/* Where a frontend is to be looked for. */
enum sw_scope {
	SW_SCOPE_ADDRESS = 0, /* addr is the address that the application connects to */
	/* A NodePort, for every address that sw_nodes has; addr is ::ffff:0.0.0.0 or :: */
	SW_SCOPE_THIS_NODE = 1, /* addresses of this node */
	/* Addresses of other nodes; or, before that, addr itself if sw_nodes has it as another node's */
	SW_SCOPE_OTHER_NODES = 2,
};

/* Key of sw_frontends: what an application may connect() to. */
struct sw_frontend_key {
	struct sw_addr addr;
	__u16 port; /* host order */
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 scope; /* enum sw_scope */
};
_Static_assert(sizeof(struct sw_frontend_key) == 20, "hash key without hidden padding");

enum sw_frontend_flags {
	SW_FRONTEND_ELSEWHERE =
		1,              /* no slots: the policy is Local, and the endpoints are elsewhere */
	SW_FRONTEND_RANGES = 2, /* only for sources that sw_sources has for the service */
	SW_FRONTEND_NODE = 4,   /* then: and for sockets in the network namespace of the node */
};

/*
 * Value of sw_frontends. Its slots are sw_slots[slot_base .. slot_base + ready + terminating - 1]:
 * first the ready endpoints (of which the first `usable` are those that userspace held for usable
 * when it wrote the range: a hint, the state in sw_backends decides), then those that are
 * terminating but still serve. Both counts 0: the service has no endpoint, connect() is refused.
 * Writer: userspace.
 */
struct sw_frontend {
	__u32 service;     /* index into sw_services */
	__u32 slot_base;   /* index into sw_slots */
	__u32 usable;      /* <= ready */
	__u32 ready;       /* endpoints that Kubernetes calls ready */
	__u32 terminating; /* endpoints that are serving and terminating */
	__u32 flags;       /* enum sw_frontend_flags */
	__u32 check;       /* sw_frontend_check() of key and value */
};
_Static_assert(sizeof(struct sw_frontend) == 28, "no hidden padding");

/*
 * The kernel uses an element of a hash again as soon as it is replaced, even while a program still
 * reads it. So the value says whose it is and that it is whole: FNV-1a over the words of both.
 */
static inline __u32 sw_frontend_check(const struct sw_frontend_key *key,
				      const struct sw_frontend *value)
{
	const __u32 *words = (const __u32 *)key->addr.bytes;
	__u32 check = 0x811c9dc5;

	check = (check ^ words[0]) * 0x01000193;
	check = (check ^ words[1]) * 0x01000193;
	check = (check ^ words[2]) * 0x01000193;
	check = (check ^ words[3]) * 0x01000193;
	check = (check ^ ((__u32)key->port << 16 | (__u32)key->proto << 8 | key->scope)) *
		0x01000193;
	check = (check ^ value->service) * 0x01000193;
	check = (check ^ value->slot_base) * 0x01000193;
	check = (check ^ value->usable) * 0x01000193;
	check = (check ^ value->ready) * 0x01000193;
	check = (check ^ value->terminating) * 0x01000193;
	return (check ^ value->flags) * 0x01000193;
}

/*
 * Key of sw_sources, a trie for the longest prefix: a range of addresses that may use the frontends of a
 * service that have SW_FRONTEND_RANGES. That it is there says all. Writer: userspace.
 */
struct sw_source {
	__u32 prefix;  /* in bits of what follows: SW_SOURCE_BITS and those of the 16 bytes */
	__u32 service; /* index into sw_services */
	struct sw_addr addr;
};
_Static_assert(sizeof(struct sw_source) == 24, "no hidden padding");

enum { SW_SOURCE_BITS = 32, SW_SOURCE_BITS_ALL = 32 + 128 };

/* How a connection chooses among the backends that are equally well. */
enum sw_balance {
	SW_BALANCE_RANDOM = 0, /* as kube-proxy */
	SW_BALANCE_ROUND_ROBIN = 1,
	SW_BALANCE_LEAST_CONN = 2, /* the one of two random ones that has fewer open connections */
};

/* Value of sw_nodes. */
enum sw_node_kind {
	SW_NODE_THIS = 1,  /* an address of this node */
	SW_NODE_OTHER = 2, /* of another one */
	/* 127.0.0.1, which stands for all of 127.0.0.0/8: of this node for who is in its network. */
	SW_NODE_LOOPBACK = 3,
};

/* Value of sw_nodes, whose key is a struct sw_addr. Writer: userspace. */
struct sw_node {
	__u32 kind; /* enum sw_node_kind */
	__u32 pad;  /* 0 */
};
_Static_assert(sizeof(struct sw_node) == 8, "no hidden padding");

/*
 * How connections of one service port are treated: from the Service's spec and annotations. Written
 * before the first frontend shows the service port, and when it changes, as words: a program may
 * see some fields from before and some from after a change. Writer: userspace.
 */
struct sw_policy {
	__u32 affinity_timeout; /* s, how long a client stays with its backend; 0: no affinity */
	__u32 outlier_5xx;      /* 5xx responses in a row that eject a backend; 0: not looked at */
	__u32 balance;          /* enum sw_balance */
	__u32 connect_timeout;  /* ms until connect() fails; 0: as the system has it */
	__u32 user_timeout;  /* ms, TCP_USER_TIMEOUT of its connections; 0: as the system has it */
	__u32 retry_on;      /* enum sw_failure bits of swerve_rescue.h; 0: no rescue */
	__u32 retry_methods; /* enum sw_method bits */
	__u32 retry_timeout; /* ms that a rescue may take in all */
	__u32 retry_budget;  /* percent of the requests of the last 10 s */
	__u32 request_timeout; /* ms until a request without an answer has failed; 0: never */
	__u32 reserved[6];     /* 0 */
};
_Static_assert(sizeof(struct sw_policy) == 64, "a cache line");

/* Element of sw_services, one per service port. Elements with an empty name are free. */
struct sw_service {
	__u64 last_used; /* when this node last connected to it, in steps of 100 ms; 0: never. BPF */
	__u64 connects;  /* to backends that are gone; sw_backend_load has the others. Userspace */
	__u64 refused;   /* connections refused for want of any endpoint. BPF, atomic add */
	__u32 ejections;    /* of its backends so far. BPF, atomic add */
	__u32 speaks_http;  /* 1: what was last said first on a connection was HTTP/1. BPF */
	__u64 spared_until; /* no ejection by its responses before this time (poison). BPF */
	__u32 slot_base;    /* of its ready endpoints, for the share that may be out */
	__u32 ready;        /* how many they are. Writer of both: userspace */
	char name[SW_SERVICE_NAME_SIZE]; /* "namespace/name:port/proto". Writer: userspace */
	struct sw_policy policy;
};
_Static_assert(sizeof(struct sw_service) == 256, "whole cache lines");
_Static_assert(__builtin_offsetof(struct sw_service, policy) == 192, "a cache line of its own");

/*
 * Element of sw_slots: which backend answers for this share of a service. Writer: userspace.
 * The kernel rounds elements of a mapped array up to 8 bytes, so all of them are multiples of 8.
 */
struct sw_slot {
	__u32 backend; /* index into sw_backends; 0: empty slot */
	__u32 pad;     /* 0 */
};
_Static_assert(sizeof(struct sw_slot) == 8, "as wide as the kernel makes it");

/*
 * What the daemon's own evidence says of a backend, from best to worst. Kubernetes' readiness is
 * an upper bound that decides which backends have slots at all; this only demotes.
 */
enum sw_health {
	SW_HEALTH_FREE = 0,    /* the element is not in use */
	SW_HEALTH_UNKNOWN = 1, /* no evidence yet: used */
	SW_HEALTH_UP = 2,      /* probes succeed: used */
	SW_HEALTH_SUSPECT = 3, /* some evidence, not enough to take it out: used as second choice */
	SW_HEALTH_DOWN = 4, /* out, but something may still answer (time-outs, error responses) */
	SW_HEALTH_REFUSED = 5, /* out, and nothing listens there (connection refused) */
};

/*
 * Element of sw_backends: one endpoint of one service. Two services on one pod have a backend
 * each, so that the evidence of one never takes the other out. Element 0 is never used.
 * `service` must equal the service of the frontend it was reached from: a slot or an element that
 * was freed and given away between two loads of a running program is recognised by it.
 */
struct sw_backend {
	struct sw_addr addr;
	__u16 port;          /* host order */
	__u8 proto;          /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 retired;        /* 1: no endpoint any more, soon free. Writer: userspace */
	__u32 service;       /* index into sw_services */
	__u32 health;        /* enum sw_health. Writer: userspace, one 32-bit store */
	__u32 generation;    /* counts the endpoints that had this element. Writer: userspace */
	__u64 ejected_until; /* not before this time, unless nothing better is left; 0: never. BPF */
	__u64 changed;       /* when health last changed; 0: never. Writer: userspace */
	__u64 suspect_until; /* second choice until then: a connection just failed. BPF */
	__u16 trial;         /* enum sw_trial. BPF */
	__u16 lowered;       /* 1: some of its responses fail, it gets half of its share. BPF */
	__u32 warmup;        /* see SW_WARMUP_SHIFT; 0: none. Writer: userspace */
};
_Static_assert(sizeof(struct sw_backend) == 64, "a cache line");

/*
 * For sw_backend.warmup << SW_WARMUP_SHIFT nanoseconds after sw_backend.changed a backend gets less than
 * its share of connections: a tenth at first, all of it at the end, linearly.
 */
enum { SW_WARMUP_SHIFT = 20 };

/*
 * How a backend comes back that was ejected for what its connections showed: when the time is over
 * one connection is let through, and its outcome decides.
 */
enum sw_trial {
	SW_TRIAL_NONE = 0, /* it was not ejected, or has proved itself since */
	SW_TRIAL_DUE = 1,  /* ejected; the next connection after ejected_until is the trial */
	SW_TRIAL_BEGUN =
		2, /* that one was let through; ejected_until keeps others away meanwhile */
};

/* What was seen of a backend in its connections. */
enum sw_evidence {
	SW_EVIDENCE_NONE = 0,
	SW_EVIDENCE_REFUSED = 1,     /* connect: nothing listens there */
	SW_EVIDENCE_UNREACHABLE = 2, /* connect: the network says so */
	SW_EVIDENCE_TIMEOUT = 3,     /* connect: no answer */
	SW_EVIDENCE_CLOSED = 4,      /* the peer ended the connection instead of answering */
	SW_EVIDENCE_STATUS = 5,      /* HTTP 500, 502, 503, 504 */
	SW_EVIDENCE_RATE = 6,        /* at least half of many responses failed */
	SW_EVIDENCE_SILENT = 7,      /* data is not acknowledged: a reason to probe, not to eject */
	SW_EVIDENCE_NO_PORT = 8,     /* UDP: an ICMP error says that nothing listens there */
};

/* What responses were like in half a second. Meaningless if its number is not of the last ones. */
struct sw_half {
	__u32 number; /* of the half second, since the clock began */
	__u32 good;   /* responses in it … */
	__u32 failed; /* … of both kinds */
};
_Static_assert(sizeof(struct sw_half) == 12, "no hidden padding");

/*
 * Element of sw_backend_load, same index as sw_backends, apart from its read-mostly part. Writer:
 * BPF, on all CPUs at once. `connects`, `open` and the counters of failures are atomic adds, so none
 * is lost; setting them back to 0 is a store, and the failure that comes in the same instant counts
 * as having come before it.
 */
struct sw_backend_load {
	__u64 connects;           /* how often it was chosen */
	__u32 open;               /* TCP connections that are open or being opened */
	__u32 connect_failures;   /* connections in a row that were not made */
	__u32 response_failures;  /* responses in a row that failed */
	__u32 ejections;          /* lately, for the length of the next one */
	struct sw_half window[2]; /* by the parity of their numbers; counted while any fail */
	__u64 last_success;       /* of connection or response, in steps of 10 ms; 0: never */
	__u64 last_failure;       /* 0: never */
	__u64 last_doubt;         /* when userspace was last asked to probe; 0: never */
	__u32 evidence;           /* enum sw_evidence of the last ejection */
	__u32 status;             /* HTTP status of the last ejection; 0: it was none */
	__u64 last_stray;         /* when userspace last learned of SW_EVENT_STRAY; 0: never */
	__u64 lowered_at;         /* when it last got less than its share; 0: never */
	__u64 excused_until;      /* failed connections are single clients' till then. Userspace */
	__u64 last_good;          /* the same of responses whose status was seen; 0: never */
	__u64 uid;                /* a hash of its pod's UID; 0: not known. Userspace */
	__u64 reserved;           /* 0 */
};
_Static_assert(sizeof(struct sw_backend_load) == 128, "two cache lines");

/*
 * Element of sw_outlier, same index as sw_services: lets one program at a time judge over the
 * backends of a service, however many CPUs see failures. The lock guards busy_until only, what
 * follows belongs to whoever holds that.
 */
struct sw_outlier {
	struct bpf_spin_lock lock;
	__u32 tripped;    /* the backend that last reached a limit by its responses; 0: none */
	__u64 busy_until; /* somebody judges, until it is set to 0 or this time has passed */
	__u64 tripped_at;
	__u64 now;      /* for who judges now: when that is, */
	__u32 backend;  /* over whom, */
	__u32 evidence; /* for what (enum sw_evidence), */
	__u16 status;   /* its HTTP status, */
	__u16 action;   /* and what that is enough for; */
	__u32 ready;    /* how many backends the service has, */
	__u32 usable;   /* how many of the others are usable, */
	__u32 well;     /* how many of these answer well, */
	__u32 out; /* how many of the others are ejected for anything but refused connections, */
	__u32 lowered; /* and how many get less than their share */
};
_Static_assert(sizeof(struct sw_outlier) == 64, "a cache line");

/*
 * Element of sw_turns, same index as sw_services: whose turn it is. Apart from sw_outlier, since
 * test programs of Linux 6.1 (type syscall, sleepable) may not use a map with a lock. Writer: BPF.
 */
struct sw_turn {
	__u32 count; /* connections that were balanced by turns. Atomic add */
	__u32 pad;   /* 0 */
};
_Static_assert(sizeof(struct sw_turn) == 8, "no hidden padding");

/*
 * Value of sw_sockets, in the socket's own storage: what the application asked for and what it
 * got. Dies with the socket. Writer: BPF.
 */
struct sw_socket {
	struct sw_addr frontend_addr;
	struct sw_addr backend_addr;
	__u16 frontend_port; /* host order */
	__u16 backend_port;  /* host order */
	__u32 backend;       /* index into sw_backends when it was chosen */
	__u32 service;       /* index into sw_services */
	__u32 generation;    /* of the backend, to tell that its element was given away */
	__u32 flags;         /* enum sw_socket_flag */
	__u32 answered;      /* segments with data that were sent when the last response came */
};
_Static_assert(sizeof(struct sw_socket) == 56, "no hidden padding");

enum sw_socket_flag {
	SW_SOCKET_OPEN = 1,     /* it counts in sw_backend_load.open */
	SW_SOCKET_FAILED = 2,   /* its failure was counted */
	SW_SOCKET_HTTP = 4,     /* its responses are looked at */
	SW_SOCKET_BAD = 8,      /* the last of them failed */
	SW_SOCKET_TAKEN = 16,   /* its request is with the rescue worker: not to be closed */
	SW_SOCKET_ON_NODE = 32, /* it is in the network namespace of the node */
	SW_SOCKET_SPOKEN = 64,  /* a response began as HTTP/1 does */
};

enum sw_event_kind {
	SW_EVENT_DOUBT = 1,    /* a failure that does not eject: probe now */
	SW_EVENT_EJECTED = 2,  /* out until `until` */
	SW_EVENT_SPARED = 3,   /* would be out, if enough others were left */
	SW_EVENT_POISON = 4,   /* several at once: the requests are to blame, nobody is out */
	SW_EVENT_RETURNED = 5, /* the trial after an ejection went well */
	SW_EVENT_STRAY = 6,    /* a connection of before its ejection goes on failing */
	SW_EVENT_LOWERED = 7,  /* some responses fail: it gets half of its share */
	SW_EVENT_RAISED = 8,   /* it gets all of its share again */
};

/* Record of sw_events, the ring buffer from BPF to userspace. */
struct sw_event {
	__u32 kind;       /* enum sw_event_kind */
	__u32 evidence;   /* enum sw_evidence */
	__u32 backend;    /* index into sw_backends */
	__u32 generation; /* of the backend */
	__u32 service;    /* index into sw_services */
	__u32 status;     /* HTTP status; 0: none */
	__u64 time;
	__u64 until; /* SW_EVENT_EJECTED, SW_EVENT_POISON; else 0 */
};
_Static_assert(sizeof(struct sw_event) == 40, "no hidden padding");

/*
 * Key of sw_affinity. All frontends of a service port share its clients' affinity; the client is
 * the network namespace: a pod, or the host.
 */
struct sw_affinity_key {
	__u64 client;  /* bpf_get_netns_cookie() */
	__u32 service; /* index into sw_services */
	__u32 pad;     /* 0 */
};
_Static_assert(sizeof(struct sw_affinity_key) == 16, "hash key without hidden padding");

/* Value of sw_affinity. BPF. */
struct sw_affinity {
	__u64 last_used;  /* when the client's last connection began */
	__u32 backend;    /* index into sw_backends */
	__u32 generation; /* of the backend: its element may be another endpoint's by now */
};
_Static_assert(sizeof(struct sw_affinity) == 16, "no hidden padding");

/* One service that a UDP socket sent to with sendto() or sendmsg(), and who answers it there. */
struct sw_udp_flow {
	struct sw_addr frontend_addr;
	struct sw_addr backend_addr;
	__u16 frontend_port; /* host order */
	__u16 backend_port;  /* host order */
	__u32 backend;       /* index into sw_backends when it was chosen; 0: free */
	__u32 generation;    /* of that backend */
	__u32 used;          /* the socket's sequence number when it was last used */
};
_Static_assert(sizeof(struct sw_udp_flow) == 48, "no hidden padding");

enum sw_udp_flag {
	SW_UDP_SPILLED = 1, /* some flows had to go to sw_udp_reverse */
	SW_UDP_ON_NODE = 2, /* the socket is in the network namespace of the node */
};

/*
 * Value of sw_udp_flows, in the socket's own storage, so that nothing that other sockets do makes
 * it forget. The kernel holds the socket's lock when it runs a hook: one writer at a time. BPF.
 */
struct sw_udp_flows {
	__u32 sequence; /* rises with each datagram to a service; wraps */
	__u32 flags;    /* enum sw_udp_flag */
	struct sw_udp_flow flows[SW_UDP_FLOWS];
};
_Static_assert(sizeof(struct sw_udp_flows) == 8 + 8 * 48, "no hidden padding");

/* The element of sw_udp_last, one per CPU: which backend a UDP socket was given last. BPF. */
struct sw_udp_last {
	__u32 service; /* index into sw_services */
	__u32 backend; /* index into sw_backends */
};
_Static_assert(sizeof(struct sw_udp_last) == 8, "no hidden padding");

/* Key of sw_udp_reverse: the backend that a socket with too many flows sent to. */
struct sw_udp_reverse_key {
	__u64 cookie; /* of the socket: never given to another one */
	struct sw_addr addr;
	__u16 port; /* host order */
	__u16 pad;  /* 0 */
	__u32 pad2; /* 0 */
};
_Static_assert(sizeof(struct sw_udp_reverse_key) == 32, "hash key without hidden padding");

/* Value of sw_udp_reverse: the frontend that it asked for. BPF. */
struct sw_udp_reverse {
	struct sw_addr addr;
	__u16 port; /* host order */
	__u16 pad;  /* 0 */
};
_Static_assert(sizeof(struct sw_udp_reverse) == 20, "no hidden padding");

/* The one element of sw_config. Writer: userspace. */
struct sw_config {
	__u32 abi_version; /* SW_ABI_VERSION of the daemon that made the maps */
	__u32 pad;         /* 0 */
	__u64 heartbeat;   /* when the daemon last said it is alive; 0: never */
};
_Static_assert(sizeof(struct sw_config) == 16, "no hidden padding");

/* What userspace knows when it loads the programs: constants for the verifier. */
struct sw_load_config {
	__u32 jiffies_per_second;
	__u8 have_set_retval; /* 1: bpf_set_retval() exists here (Linux 5.18) */
	__u8 pad[3];          /* 0 */
	/* Cookie of the network namespace that is the node's; 0: the kernel's initial one. */
	__u64 node_netns;
};
