/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls a thread of the monitor may still make: lists for each kind of thread, by
 * libseccomp.
 *
 * What only somebody who has taken the monitor over would try (a program run, a
 * network connection, code made executable, another process touched) ends the process; whatever
 * else is not on the list, opening a file above all, fails with EPERM. Threads inherit the filters of who has made them and
 * can only add to them, so the whole process gets VMM_SECCOMP_ALL first, the union. Any thread of a
 * monitor of several hosts may come to speak to the others, so those have one list for all.
 */
#ifndef VMM_SECCOMP_H
#define VMM_SECCOMP_H

enum vmm_seccomp {
	VMM_SECCOMP_ALL,  /* control thread and signals */
	VMM_SECCOMP_LOOP, /* back ends of devices, the control socket, and the threads of their pool */
	VMM_SECCOMP_VCPU,
	VMM_SECCOMP_HOSTS, /* all threads there are, of a monitor that has others on other hosts */
};

/*
 * For the calling thread, or all of them; needs no_new_privs. -ENOSYS: not built in, or the kernel has
 * none.
 */
int vmm_seccomp_enter(enum vmm_seccomp kind);

/*
 * Before a program that insists on giving up its groups, where the kernel lets nobody do so: from
 * now on setgroups() of this process does nothing and says well done.
 */
int vmm_seccomp_keep_groups(void);

#endif
