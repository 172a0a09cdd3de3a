/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "libdvm/net/fab.h"
#include "libdvm/net/remote.h"
#include "libdvm/net/tcp.h"

int dvmi_remote_create(struct dvmi_tport **out, const struct dvmi_remote_config *cfg)
{
	const char *wish = getenv("DVM_FABRIC");

	if (!wish || !*wish || !strcmp(wish, "sockets"))
		return dvmi_tcp_create(out, cfg);
	return dvmi_fab_create(out, cfg, wish);
}
