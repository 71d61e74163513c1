/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON of the Kubernetes API to the values of model/. Pure: bytes in, values out. The only part of
 * the daemon that reads JSON.
 */
#pragma once

#include "model/model.h"

#include <stddef.h>

/* What is wrong with the input, as text that names object and field. */
struct decode_problem {
	enum object_kind kind; /* of the object concerned, OBJECT_KIND_COUNT if unknown */
	const char *namespace; /* borrowed for the call; NULL if unknown */
	const char *name;      /* borrowed for the call; NULL if unknown */
	const char *text;      /* "Service default/web: spec.ports[1].port: 70000 is not …" */
	int fatal;             /* 1: the object is not delivered; 0: without the field concerned */
};

struct decode_events {
	void (*object)(void *arg, struct object *object); /* takes what it holds */
	void (*problem)(void *arg, const struct decode_problem *problem);
	void *arg;
};

/*
 * Decodes one JSON value: a Service, EndpointSlice, Endpoints, Node, or a List of them (kind List,
 * ServiceList, …; the items of a typed list need no kind). An object of another kind is a problem
 * that is not fatal for the rest. Reports every object and every problem.
 * Returns 0, also with problems; -EINVAL if the text is no JSON or no object of Kubernetes (after
 * a problem was reported); -ENOMEM.
 */
int decode(const char *text, size_t size, const struct decode_events *events);
