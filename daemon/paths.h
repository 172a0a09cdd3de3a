/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directories of machines on this host (doc/design/0001-machine.md), and who lives there.
 *
 *	run-time   BASE/MACHINE/NODE   client.sock, dvmd.pid (locked while it runs), jobs/ID/
 *	durable    BASE/MACHINE/NODE   key, log
 *
 * BASE is /run/dvm and /var/lib/dvm for root, $XDG_RUNTIME_DIR/dvm (else /tmp/dvm-UID) and
 * ${XDG_STATE_HOME:-~/.local/state}/dvm for others; $DVM_RUN_BASE and $DVM_STATE_BASE replace
 * them (tests, several users of one account). Everything below BASE, and BASE itself where its
 * name is ours, must belong to us and be closed to others, or it is refused: somebody may have
 * made it first. Directories are entered without following links.
 *
 * Calls block for a moment; any thread, no state.
 */
#ifndef DVMD_PATHS_H
#define DVMD_PATHS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "daemon/name.h"
#include "dvm/error.h"

#define DVMD_SUN_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path))

struct dvmd_paths {
	char machine[DVMD_NAME_MAX + 1], node[DVMD_NAME_MAX + 1];
	char base[PATH_MAX]; /* of the run-time directory; "" where `run` is somewhere else */
	char run[DVMD_SUN_PATH_MAX];
	char state[PATH_MAX];
	char client_sock[DVMD_SUN_PATH_MAX];
};

/* What a caller has been told; NULL or "" means not. */
struct dvmd_paths_want {
	const char *machine, *node;
	const char *run_base, *state_base; /* conf: run_dir, state_dir */
	const char *run, *state;	   /* command line: exact directories */
	bool with_host; /* it ends with the host: durable files under run/state */
};

/*
 * Where this user's node lives; nothing is created. -EINVAL for a bad name; -ENAMETOOLONG when
 * sockets would not fit into sun_path, with what to do about it.
 */
int dvmd_paths_node(struct dvmd_paths *out, const struct dvmd_paths_want *want, dvm_error_t *err);

/* The base of the run-time directories of user UID: "/run/dvm". */
int dvmd_paths_run_base(uid_t uid, char out[PATH_MAX], dvm_error_t *err);

/*
 * Creates both directories and jobs/ and locks dvmd.pid, into which it writes our number. Returns
 * its descriptor, to be kept until the process ends. -EBUSY: that node runs already; -EPERM: a
 * directory on the way is not ours or open to others.
 */
int dvmd_paths_claim(const struct dvmd_paths *p, dvm_error_t *err);

/*
 * The node is over: removes its run-time directory (and with it the durable one, if it lies
 * inside), then the directories above that are empty. PID_FD is closed.
 */
int dvmd_paths_release(const struct dvmd_paths *p, int pid_fd, dvm_error_t *err);

/*
 * Removes what machines have left that run no more: those in BASE none of whose nodes holds its
 * dvmd.pid or has a shepherd that answers, but for machine KEEP (nullable). Returns how many node
 * directories were removed. A machine that cannot be removed is left out.
 */
int dvmd_paths_sweep(const char *base, const char *keep, dvm_error_t *err);

/* Removes PATH and all below it, without following links or crossing mounts. 0 if it is absent. */
int dvmd_paths_remove(const char *path, dvm_error_t *err);

/* One node of a machine on this host. */
struct dvmd_present {
	char machine[DVMD_NAME_MAX + 1], node[DVMD_NAME_MAX + 1];
	char run[DVMD_SUN_PATH_MAX];
	bool alive; /* its client.sock is listened to */
	bool own;   /* in this user's base; else root's */
};

/*
 * All nodes there are in this user's base, then in root's (unless $DVM_RUN_BASE is set); MACHINE
 * (nullable) restricts it. In the order of their names, node2 before node10. *out is freed with
 * free().
 */
int dvmd_paths_list(struct dvmd_present **out, size_t *n, const char *machine, dvm_error_t *err);

/*
 * The run-time directory of the daemon a client on this host should talk to: $DVM_RUN_DIR as it
 * is; else of machine MACHINE (NULL: $DVM_MACHINE; else the only one that runs; else "default"),
 * the node NODE (NULL: the first that runs). -DVM_ENOMACHINE, and -ENOTUNIQ with the names to
 * choose from.
 */
int dvmd_paths_find(char out[DVMD_SUN_PATH_MAX], const char *machine, const char *node,
		    dvm_error_t *err);

/*
 * The path of our program NAME ("dvmd", "dvm-shepherd"): in $DVM_LIBEXECDIR, beside this
 * executable, in ../libexec/dvm beside that, where it was installed. -ENOENT with the places.
 */
int dvmd_paths_program(char *out, size_t size, const char *name, dvm_error_t *err);

/* Whether PATH is a file that we may execute. */
bool dvmd_paths_is_program(const char *path);

#endif
