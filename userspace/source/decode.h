/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON of the Kubernetes API to the values of model/. Pure: bytes in, values out. The only part of
 * the daemon that reads JSON.
 */
#pragma once

#include "model/model.h"

#include <stddef.h>
#include <stdint.h>

/* What is wrong with the input, as text that names object and field. */
struct decode_problem {
	enum object_kind kind; /* of the object concerned, OBJECT_KIND_COUNT if unknown */
	const char *namespace; /* borrowed for the call; NULL if unknown */
	const char *name;      /* borrowed for the call; NULL if unknown */
	const char *text;      /* "Service default/web: spec.ports[1].port: 70000 is not …" */
	/*
	 * 1: the object is not delivered. 0: it is, without the part concerned. An object of which
	 * no port, no address or no endpoint is left that way is not delivered either.
	 */
	int fatal;
};

struct decode_events {
	/*
	 * Takes what the object holds. Two objects with the same digest have the same JSON, up to
	 * the order of members, and up to kind and apiVersion, which only some answers have.
	 */
	void (*object)(void *arg, struct object *object, uint64_t digest);
	void (*problem)(void *arg, const struct decode_problem *problem);
	void *arg;
	/* Services whose label names this proxy are ours; NULL: those without the label. */
	const char *proxy_name;
};

/*
 * Decodes one JSON value: a Service, EndpointSlice, Endpoints, Node, Pod, or a List of them (kind List,
 * ServiceList, …; the items of a typed list need no kind). An object of another kind is a problem
 * that is not fatal for the rest. Reports every object and every problem, in the order of the
 * input; of an object that is there twice, both.
 *
 * Not delivered, and no problem, is what kube-proxy does not serve either: Services, slices and
 * Endpoints with the label service.kubernetes.io/headless, Services of another proxy (label
 * service.kubernetes.io/service-proxy-name), slices of address type FQDN.
 *
 * Returns 0, also with problems; -EINVAL if the text is no JSON or no object of Kubernetes (after
 * a problem was reported); -ENOMEM.
 */
int decode(const char *text, size_t size, const struct decode_events *events);

/* The same for one object; if it has no kind, it is of this one. */
int decode_as(enum object_kind kind, const char *text, size_t size,
	      const struct decode_events *events);
