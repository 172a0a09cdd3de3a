/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses a node of this host can have. */
#ifndef DVMD_CLI_NET_H
#define DVMD_CLI_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/conf.h"
#include "dvm/error.h"

#define CLI_PORT	DVMD_CONF_PORT
#define CLI_ADDRESS_MAX 64

/* 127.D.x.y of the K-th (1, 2, …) node of a machine on one host. */
void cli_net_loopback(unsigned d, unsigned k, char out[CLI_ADDRESS_MAX]);

/* The number D the search for a machine's addresses starts at: 1 … 254. Pure. */
unsigned cli_net_first_d(const char *machine, uint32_t uid);

/* A D whose first N addresses nobody listens at, at PORT; -EADDRINUSE with ERR. */
int cli_net_find_d(const char *machine, uint32_t uid, unsigned n, uint16_t port, dvm_error_t *err);

/* D and K of such an address; false for any other. */
bool cli_net_parse_loopback(const char *address, unsigned *d, unsigned *k);

/*
 * The numeric address INTERFACE stands for, see dvmd_conf_address(); NULL: the one this host would
 * use to reach PEER (a name or an address).
 */
int cli_net_own_address(const char *interface, const char *peer, char out[CLI_ADDRESS_MAX],
			dvm_error_t *err);

/* "ADDR", "ADDR:PORT" or "[ADDR]:PORT"; PORT is left alone where it is not given. */
int cli_net_parse(const char *text, char address[CLI_ADDRESS_MAX * 4], uint16_t *port,
		  dvm_error_t *err);

#endif
