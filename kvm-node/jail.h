/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The monitor shut in, once everything it needs is open: what is left to a guest that has taken it
 * over.
 *
 * Entered between the guest's creation and its run, before there are threads of ours; a monitor of
 * several hosts has some by then, and only what holds for all threads is of use to it. Each measure that
 * this host does not allow is left out; what is in force can be asked for. There is no way back.
 */
#ifndef VMM_JAIL_H
#define VMM_JAIL_H

#include <stdbool.h>
#include <sys/types.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"

struct vmm_jail_config {
	const char *dir; /* the only directory that can still be seen, or NULL; then it is the
			  * working directory */
	bool keep_user;	 /* root stays root, without its capabilities: DIR is root's */
	bool hosts;	 /* there are threads, and monitors on other hosts */
	bool together;	 /* one of those is on this host, and we call it by names of files */
};

struct vmm_jail {
	uid_t uid; /* whose the process is now */
	bool entered, own_user, no_new_privs, no_capabilities;
	bool user_ns, mount_ns, net_ns, ipc_ns, uts_ns, empty_root;
	bool seccomp; /* vmm_seccomp_enter() is in force for all threads */
	bool narrow;  /* and each has less than all together */
};

/*
 * The first thing of all, as KVM gives a process threads that stand in the way later: a user who is
 * not root may make namespaces below one of users only. Nothing is out of reach yet.
 */
void vmm_jail_prepare(struct vmm_jail *j);

/* For a helper of a user who is not root: root of a namespace with nobody else in it. -E…. */
int vmm_jail_become_root(void);

/*
 * For a helper that needs files only: root becomes this user where it can, without groups; nobody has
 * capabilities, networks or a way to more afterwards. What this host does not allow is left out.
 */
void vmm_jail_lower(uid_t uid, gid_t gid);

int vmm_jail_enter(struct vmm_jail *j, const struct vmm_jail_config *c, dvm_error_t *err);

/* Appends the members of a JSON object, without braces. */
void vmm_jail_stat(const struct vmm_jail *j, struct dvmi_buf *out);
/* One line for people. */
void vmm_jail_describe(const struct vmm_jail *j, struct dvmi_buf *out);

#endif
