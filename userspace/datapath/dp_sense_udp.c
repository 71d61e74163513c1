/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_sense_udp.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "datapath/dp_maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sense_udp.skel.h" // NOLINT

struct dp_sense_udp {
	struct sense_udp_bpf *skel;
};

static int load(struct dp_sense_udp *udp, const char *pin_dir)
{
	int err;

	udp->skel = sense_udp_bpf__open();
	if (!udp->skel)
		return errno ? -errno : -ENOMEM;
	err = dp_maps_reuse(udp->skel->obj, pin_dir);
	if (!err)
		err = sense_udp_bpf__load(udp->skel);
	return err ? err : sense_udp_bpf__attach(udp->skel);
}

static void close_udp(struct dp_sense_udp **udp)
{
	dp_sense_udp_close(*udp);
}

struct dp_sense_udp *dp_sense_udp_install(const char *pin_dir)
{
	_cleanup_(close_udp) struct dp_sense_udp *udp = calloc(1, sizeof(*udp));
	int err = udp ? load(udp, pin_dir) : -ENOMEM;

	if (!err)
		return TAKE_PTR(udp);
	log_info("refused UDP datagrams are not seen: the kernel does not take the program (%s). "
		 "Linux 5.14 or later with CONFIG_DEBUG_INFO_BTF is needed",
		 strerror(-err));
	return NULL;
}

void dp_sense_udp_close(struct dp_sense_udp *udp)
{
	if (!udp)
		return;
	sense_udp_bpf__destroy(udp->skel);
	free(udp);
}
