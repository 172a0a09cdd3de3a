/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm.conf: what an administrator or user sets once for the dvmd of this host.
 *
 * Precedence: command line, environment, file, default. The file is YAML, one flat mapping;
 * dvm.conf(5) describes it. A key that is not known, a value that makes no sense and a key that
 * is there twice are errors with file and line.
 */
#ifndef DVMD_CONF_H
#define DVMD_CONF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/queue_conf.h"
#include "dvm/error.h"

#define DVMD_CONF_PORT 7117 /* the control port where nothing else is said */

/* Strings are owned by the struct and never NULL; "" and 0 mean that nothing was said. */
struct dvmd_conf {
	char *machine;	 /* "" : "default" is meant */
	char *name;	 /* of this node; "": the host's */
	char *interface; /* name, address or CIDR; see dvmd_conf_address() */
	char *run_dir;	 /* in place of /run/dvm and the like: MACHINE/NODE is added to it */
	char *state_dir; /* in place of /var/lib/dvm and the like, as above */
	uint16_t port;	 /* control plane */
	uint16_t port_low, port_high; /* data plane; 0, 0: any */
	uint32_t slots;		      /* 0: one a core */
	uint64_t memory;	      /* bytes that jobs may use; 0: all there is */
	uint64_t failure_timeout;     /* ns, default 10 s */
	uint64_t kill_grace;	      /* ns between TERM and KILL, default 5 s */
	uint64_t launch_timeout;      /* ns until all ranks run, default 60 s */
	uint64_t job_log_max;	      /* bytes of output kept for a job on a node, default 64 MiB */
	int log_level;		      /* syslog's, default LOG_INFO */
	char *gres;		      /* "gpu:2,fpga": what this node has beside slots and memory */
	char *kvm_device; /* what has to be there for guests; the default is said */
	struct dvmd_queue_conf queue; /* of the node that leads, as all below */
	char *queue_shares;	      /* "ann=3,@physics=10": users and @accounts; others have 1 */
	char *queue_tiers; /* "ann=2,*=1": the highest tier a user may ask for */
};

/* The defaults. -ENOMEM. */
int dvmd_conf_init(struct dvmd_conf *c);
void dvmd_conf_free(struct dvmd_conf *c);

/*
 * Reads PATH over what C holds; NULL: $DVM_CONFIG, else /etc/dvm/dvm.conf for root and
 * ~/.config/dvm/dvm.conf (or /etc/dvm/dvm.conf where that is missing) for others. Returns 1
 * when a file was read, 0 when there is none and none was named; -ENOENT, -EINVAL ("FILE:LINE:
 * …"). C is unchanged on failure.
 */
int dvmd_conf_load(struct dvmd_conf *c, const char *path, dvm_error_t *err);

/* Takes over DVM_MACHINE, DVM_INTERFACE, DVM_PORT and DVM_LOG_LEVEL where they are set. */
int dvmd_conf_env(struct dvmd_conf *c, dvm_error_t *err);

/* Sets one key as if it stood in the file: for command lines. -EINVAL, -ENOMEM. */
int dvmd_conf_set(struct dvmd_conf *c, const char *key, const char *value, dvm_error_t *err);

/*
 * The one numeric address of this host that INTERFACE stands for:
 *
 *	"eth0"		the address of that interface
 *	"10.0.0.7"	that address, which must be one of this host's
 *	"10.0.0.0/24"	the address of this host within that network
 *	""		the only address that is neither loopback nor link-local
 *
 * IPv4 is preferred where an interface has both. -EADDRNOTAVAIL when none matches, -ENOTUNIQ when
 * several do, each with what there is. Addresses of 127/8 and names (interfaces) that are given
 * explicitly are taken as they are.
 */
int dvmd_conf_address(const char *interface, char out[INET6_ADDRSTRLEN], dvm_error_t *err);

#endif
