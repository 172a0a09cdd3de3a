/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm-topology FILE: writes what hwloc finds on this host, as XML that hwloc reads (toposave.h). */
#include <hwloc.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_to(const char *file)
{
	hwloc_topology_t t;

	if (hwloc_topology_init(&t) < 0)
		return -1;
	/* What Open MPI would look for: devices near which a rank should be. */
	int rc = hwloc_topology_set_io_types_filter(t, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
	if (rc == 0)
		rc = hwloc_topology_load(t);
	if (rc == 0)
		rc = hwloc_topology_export_xml(t, file, 0);
	hwloc_topology_destroy(t);
	return rc;
}

int main(int argc, char **argv)
{
	char temporary[PATH_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != 2 ||
	    snprintf(temporary, sizeof temporary, "%s.new", argv[1]) >= (int)sizeof temporary) {
		fprintf(stderr, "dvm-topology is started by dvmd\n");
		return 2;
	}
	umask(022);
	/* Whole or not at all: ranks may be starting. */
	if (write_to(temporary) < 0 || chmod(temporary, 0644) < 0 ||
	    rename(temporary, argv[1]) < 0) {
		unlink(temporary);
		return 1;
	}
	_exit(0); /* plugins of hwloc leak, and are not ours to complain of */
}
