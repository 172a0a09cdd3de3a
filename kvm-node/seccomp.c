/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "kvm-node/seccomp.h"

#include <errno.h>

#ifdef HAVE_SECCOMP

#include <asm/termbits.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* ---- lists ---- */

/* Memory, locks, time, and the end of a thread: what the C library does for everybody. */
static const int common[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fstat),
	SCMP_SYS(poll),
	SCMP_SYS(read),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(time),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(membarrier),
};

static const int of_vcpus[] = {
	SCMP_SYS(epoll_ctl),	 SCMP_SYS(timer_create), SCMP_SYS(timer_delete),
	SCMP_SYS(timer_settime), SCMP_SYS(shutdown),
};

static const int of_loops[] = {
	SCMP_SYS(accept4),    SCMP_SYS(connect),    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait), SCMP_SYS(fallocate),  SCMP_SYS(fcntl),	 SCMP_SYS(fdatasync),
	SCMP_SYS(fsync),      SCMP_SYS(getsockopt), SCMP_SYS(pread64),	 SCMP_SYS(preadv),
	SCMP_SYS(preadv2),    SCMP_SYS(pwrite64),   SCMP_SYS(pwritev),	 SCMP_SYS(pwritev2),
	SCMP_SYS(readv),      SCMP_SYS(recvfrom),   SCMP_SYS(recvmsg),	 SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),     SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
};

/* The guest's end: threads joined, files closed, what the terminal was. */
static const int of_all[] = {
	SCMP_SYS(fadvise64), SCMP_SYS(kill),  SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigpending),
	SCMP_SYS(unlink),    SCMP_SYS(wait4), SCMP_SYS(waitid),		 SCMP_SYS(ftruncate),
	SCMP_SYS(seccomp), /* threads narrow their own further */
};

/* Monitors of several hosts: a segment after a reset, threads that wait for messages, links. */
static const int of_hosts[] = {
	SCMP_SYS(bind),		  SCMP_SYS(getpriority),  SCMP_SYS(getsockname), SCMP_SYS(listen),
	SCMP_SYS(memfd_create),	  SCMP_SYS(ppoll),	  SCMP_SYS(rmdir),
	SCMP_SYS(sched_setattr), SCMP_SYS(sched_setscheduler),
};

/* These end the process. */
static const int hostile[] = {
	SCMP_SYS(bpf),
	SCMP_SYS(chroot),
	SCMP_SYS(creat),
	SCMP_SYS(delete_module),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(finit_module),
	SCMP_SYS(fork),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(mount),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(personality),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(vfork),
};

/* ---- filters ---- */

static int add(scmp_filter_ctx f, uint32_t action, const int *list, size_t n)
{
	int rc = 0;

	for (size_t i = 0; (rc == 0 || rc == -EEXIST) && i < n; i++)
		rc = seccomp_rule_add(f, action, list[i], 0);
	return rc == -EEXIST ? 0 : rc; /* lists may overlap */
}

/* ACTION for CALL where its argument N compares like that. (SCMP_A0 and its kin leave a field out.)
 */
static int add_if(scmp_filter_ctx f, uint32_t action, int call, unsigned n, enum scmp_compare op,
		  scmp_datum_t a, scmp_datum_t b)
{
	const struct scmp_arg_cmp cmp = { n, op, a, b };

	return seccomp_rule_add_array(f, action, call, 1, &cmp);
}

/* Memory that is not executable; code is what the loader has mapped, and nothing else. */
static int add_memory(scmp_filter_ctx f)
{
	static const int calls[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(pkey_mprotect) };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < COUNT(calls); i++) {
		rc = add_if(f, SCMP_ACT_ALLOW, calls[i], 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
		if (rc == 0)
			rc = add_if(f, SCMP_ACT_KILL_PROCESS, calls[i], 2, SCMP_CMP_MASKED_EQ,
				    PROT_EXEC, PROT_EXEC);
	}
	return rc;
}

/* Signals to threads of this process and no other. */
static int add_signals(scmp_filter_ctx f)
{
	scmp_datum_t self = (scmp_datum_t)getpid();
	int rc = add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 0, SCMP_CMP_EQ, self, 0);

	return rc < 0 ? rc
		      : add_if(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(tgkill), 0, SCMP_CMP_NE, self, 0);
}

/* All of KVM's requests are of one type. A terminal must not be typed on behalf of its user. */
static int add_type(scmp_filter_ctx f, unsigned type)
{
	return add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_CMP_MASKED_EQ, 0xff00, type << 8);
}

static int add_requests(scmp_filter_ctx f, enum vmm_seccomp kind)
{
	static const unsigned long others[] = { TUNSETOFFLOAD, FIONBIO, TCGETS, TCSETS, TCSETSW };
	int rc = add_type(f, KVMIO);

	if (rc == 0 && kind == VMM_SECCOMP_HOSTS)
		rc = add_type(f, UFFDIO);
	for (size_t i = 0; rc == 0 && kind != VMM_SECCOMP_VCPU && i < COUNT(others); i++)
		rc = add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_CMP_MASKED_EQ, 0xffffffff,
			    others[i]);
	return rc;
}

/* Threads, no processes. What clone3() is to do lies in memory: without it clone() is taken. */
static int add_threads(scmp_filter_ctx f)
{
	int rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (rc == 0)
		rc = add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0, SCMP_CMP_MASKED_EQ, CLONE_THREAD,
			    CLONE_THREAD);
	if (rc == 0)
		rc = add_if(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 0, SCMP_CMP_MASKED_EQ,
			    CLONE_THREAD, 0);
	/* A thread gives itself a name; nothing else of it is needed. */
	if (rc == 0)
		rc = add(f, SCMP_ACT_ALLOW, (const int[]){ SCMP_SYS(prctl) }, 1);
	return rc;
}

/* Sockets of this host only: of vsock's listeners. */
static int add_sockets(scmp_filter_ctx f)
{
	int rc = add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 0, SCMP_CMP_EQ, AF_UNIX, 0);

	return rc < 0 ? rc
		      : add_if(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 0, SCMP_CMP_NE, AF_UNIX,
			       0);
}

static int fill(scmp_filter_ctx f, enum vmm_seccomp kind)
{
	int rc = seccomp_syscall_priority(f, SCMP_SYS(ioctl), 255);

	if (rc == 0)
		rc = add(f, SCMP_ACT_KILL_PROCESS, hostile, COUNT(hostile));
	if (rc == 0)
		rc = add(f, SCMP_ACT_ALLOW, common, COUNT(common));
	if (rc == 0)
		rc = add_memory(f);
	if (rc == 0)
		rc = add_signals(f);
	if (rc == 0)
		rc = add_requests(f, kind);
	if (rc == 0 && kind != VMM_SECCOMP_LOOP)
		rc = add(f, SCMP_ACT_ALLOW, of_vcpus, COUNT(of_vcpus));
	if (rc == 0)
		rc = add_threads(f);
	if (rc == 0 && kind != VMM_SECCOMP_VCPU)
		rc = add(f, SCMP_ACT_ALLOW, of_loops, COUNT(of_loops));
	if (rc == 0 && kind == VMM_SECCOMP_HOSTS)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0 && kind == VMM_SECCOMP_HOSTS)
		rc = add(f, SCMP_ACT_ALLOW, (const int[]){ SCMP_SYS(socket) }, 1);
	else if (rc == 0 && kind != VMM_SECCOMP_VCPU)
		rc = add_sockets(f);
	if (rc == 0 && kind == VMM_SECCOMP_HOSTS)
		rc = add(f, SCMP_ACT_ALLOW, of_hosts, COUNT(of_hosts));
	if (rc == 0 && (kind == VMM_SECCOMP_ALL || kind == VMM_SECCOMP_HOSTS))
		rc = add(f, SCMP_ACT_ALLOW, of_all, COUNT(of_all));
	return rc;
}

int vmm_seccomp_enter(enum vmm_seccomp kind)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (!f)
		return -ENOMEM;
	int rc = fill(f, kind);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

int vmm_seccomp_keep_groups(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	if (!f)
		return -ENOMEM;
	int rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(0), SCMP_SYS(setgroups), 0);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

#ifdef __SANITIZE_ADDRESS__
/*
 * Who looks for leaks does it from a process of its own, and making one would end a monitor that is
 * shut in.
 */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void)
{
	return prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER;
}
#endif

#else

int vmm_seccomp_keep_groups(void)
{
	return -ENOSYS;
}

int vmm_seccomp_enter(enum vmm_seccomp kind)
{
	return -ENOSYS;
}

#endif
