/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/doctor_host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"

struct look {
	const char *root;
	dvmd_doctor_note_fn *note;
	void *arg;
};

__attribute__((format(printf, 4, 5))) static void say(const struct look *l, const char *what,
							bool ok, const char *fmt, ...)
{
	char detail[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	l->note(l->arg, what, ok, detail);
}

static const char *at(const struct look *l, const char *path, char buf[PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s%s", l->root, path);
	return buf;
}

static bool there(const struct look *l, const char *path, int how)
{
	char buf[PATH_MAX];

	return access(at(l, path, buf), how) == 0;
}

/* The first byte of a file, or 0. */
static char first_byte(const struct look *l, const char *path)
{
	char buf[PATH_MAX], c = 0;
	cleanup_fd int fd = open(at(l, path, buf), O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, &c, 1) == 1 ? c : 0;
}

/* Has the processor this FLAG (with the blank in front of it)? */
static bool processor_has(const struct look *l, const char *flag)
{
	char line[8192], buf[PATH_MAX];
	cleanup_file FILE *f = fopen(at(l, "/proc/cpuinfo", buf), "re");
	size_t n = strlen(flag);

	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "flags", 5)) {
			for (const char *p = line; (p = strstr(p, flag)); p++)
				if (strchr(" \n", p[n]))
					return true;
			return false;
		}
	return false;
}

static void check_kvm(const struct look *l)
{
	bool hardware = processor_has(l, " svm") || processor_has(l, " vmx");

	if (!there(l, "/dev/kvm", F_OK))
		say(l, "guests", false, hardware ?
			    "no /dev/kvm: this node cannot run guests; load kvm_intel or kvm_amd" :
			    "no /dev/kvm, and the processor offers neither svm nor vmx: this node cannot "
			    "run guests; enable virtualisation in the firmware, or nesting outside");
	else if (!there(l, "/dev/kvm", R_OK | W_OK))
		say(l, "guests", false, "/dev/kvm: %s: who runs guests must be in the group that owns it",
		    strerror(errno));
	else if (!hardware)
		say(l, "guests", false,
		    "/dev/kvm is a software backend%s (no svm or vmx): it runs bare programs, but no "
		    "Linux guests",
		    there(l, "/sys/module/kvm_pvm", F_OK) ? ", kvm_pvm" : "");
	else
		say(l, "guests", true, "/dev/kvm can be used");
}

static bool is_off(char parameter)
{
	return parameter == 'N' || parameter == '0';
}

/*
 * A guest over several hosts shares its page tables between them. Where KVM walks them itself it would
 * not see what others change. An Intel processor that keeps accessed and dirty bits in its nested tables
 * counts every walk as a write, and they bounce.
 */
static void check_walks(const struct look *l)
{
	char c = first_byte(l, "/sys/module/kvm_intel/parameters/eptad");

	if (is_off(first_byte(l, "/sys/module/kvm_amd/parameters/npt")) ||
	    is_off(first_byte(l, "/sys/module/kvm_intel/parameters/ept")))
		say(l, "guests over several hosts", false,
		    "KVM walks page tables itself (shadow paging): no Linux guests over several hosts; "
		    "load kvm_amd with npt=1, or kvm_intel with ept=1");
	else if (c == 'Y' || c == '1')
		say(l, "guests over several hosts", false,
		    "kvm_intel has eptad=Y, which makes page tables slow to share: put \"options "
		    "kvm_intel eptad=0\" into /etc/modprobe.d/ and load the module again");
	else if (c)
		say(l, "guests over several hosts", true, "kvm_intel has eptad=N");
}

static void check_userfaultfd(const struct look *l)
{
	char c = first_byte(l, "/proc/sys/vm/unprivileged_userfaultfd");

	if (!c)
		say(l, "shared memory", false, "this kernel has no userfaultfd");
	else if (c != '1' && getuid() && !there(l, "/dev/userfaultfd", R_OK | W_OK))
		say(l, "shared memory", false,
		    "userfaultfd is for root here: set vm.unprivileged_userfaultfd=1 or run dvmd as root");
	else
		say(l, "shared memory", true, "userfaultfd can be used");
}

static void check_helpers(const struct look *l)
{
	static const struct {
		const char *path, *what, *package;
	} helpers[] = {
		{ "/usr/bin/passt", "--net user", "passt" },
		{ "/usr/bin/qemu-storage-daemon", "disks in qcow2", "qemu-system-common" },
		{ "/usr/lib/qemu/virtiofsd", "--share", "qemu-system-common" },
	};

	for (size_t i = 0; i < sizeof helpers / sizeof helpers[0]; i++)
		if (!there(l, helpers[i].path, X_OK))
			say(l, "guests' devices", false, "no %s: guests here have no %s (Debian: %s)",
			    helpers[i].path, helpers[i].what, helpers[i].package);
}

void dvmd_doctor_host(const char *root, dvmd_doctor_note_fn *note, void *arg)
{
	const struct look l = { root, note, arg };

	check_kvm(&l);
	if (there(&l, "/dev/kvm", F_OK)) {
		check_walks(&l);
		check_helpers(&l);
	}
	check_userfaultfd(&l);
}
