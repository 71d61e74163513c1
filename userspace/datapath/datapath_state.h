/* SPDX-License-Identifier: Apache-2.0 */
/* What a datapath is made of: for datapath.c and datapath_health.c only. */
#pragma once

#include "base/vec.h"
#include "datapath/datapath.h"
#include "datapath/dp_maps.h"
#include "datapath/dp_object.h"
#include "datapath/dp_table.h"

struct datapath {
	struct dp_table table;
	struct dp_maps maps;
	struct dp_links links;
	struct dp_sense *sense;     /* NULL: the kernel does not take it */
	struct dp_sources *sources; /* NULL: the same */
	size_t watched;             /* service ports whose responses are looked at */
	VEC(struct sw_frontend_key) undeleted;
	datapath_keeps_fn *keeps;
	void *keeps_arg;
	int lock;
};
