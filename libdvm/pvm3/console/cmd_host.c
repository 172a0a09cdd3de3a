// SPDX-License-Identifier: BSD-3-Clause
/* Hosts: add, conf, delete, halt, mstat. */
#include <stdlib.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/pvm3/console/console.h"

static bool conf(struct console *c, int argc, char **argv)
{
	struct pvmhostinfo *hosts;
	int n, archs, rc = pvm_config(&n, &archs, &hosts);

	(void)c, (void)argc, (void)argv;
	if (rc < 0) {
		printf("%s\n", result_text(rc));
		return false;
	}
	printf("%d host%s, %d data format%s\n", n, n == 1 ? "" : "s", archs, archs == 1 ? "" : "s");
	printf("%24s %8s %8s %7s %10s\n", "HOST", "DTID", "ARCH", "SPEED", "DSIG");
	for (int i = 0; i < n; i++)
		printf("%24s %8x %8s %7d 0x%08x\n", hosts[i].hi_name,
		       (unsigned)hosts[i].hi_tid & 0x7fffffff, hosts[i].hi_arch, hosts[i].hi_speed,
		       (unsigned)hosts[i].hi_dsig);
	return true;
}

static bool add(struct console *c, int argc, char **argv)
{
	cleanup_free int *codes = calloc((size_t)argc, sizeof(*codes));
	int n = argc - 1, rc = codes ? pvm_addhosts(argv + 1, n, codes) : PvmNoMem;

	(void)c;
	if (rc < 0) {
		printf("%s\n", result_text(rc));
		return false;
	}
	printf("%d successful\n%24s %8s\n", rc, "HOST", "DTID");
	for (int i = 0; i < n; i++)
		if (codes[i] < 0 && codes[i] > -100)
			printf("%24s %s\n", argv[i + 1], result_text(codes[i]));
		else
			printf("%24s %8x\n", argv[i + 1], (unsigned)codes[i] & 0x7fffffff);
	return rc == n;
}

static bool delete (struct console *c, int argc, char **argv)
{
	cleanup_free int *codes = calloc((size_t)argc, sizeof(*codes));
	int n = argc - 1, rc = codes ? pvm_delhosts(argv + 1, n, codes) : PvmNoMem;

	(void)c;
	if (rc < 0) {
		printf("%s\n", result_text(rc));
		return false;
	}
	printf("%d successful\n%24s  %s\n", rc, "HOST", "STATUS");
	for (int i = 0; i < n; i++)
		printf("%24s  %s\n", argv[i + 1], codes[i] < 0 ? result_text(codes[i]) : "deleted");
	return rc == n;
}

static bool mstat(struct console *c, int argc, char **argv)
{
	bool good = true;

	(void)c;
	for (int i = 1; i < argc; i++) {
		int rc = pvm_mstat(argv[i]);

		printf("%24s  %s\n", argv[i], rc == PvmOk ? "ok" : result_text(rc));
		good = good && rc == PvmOk;
	}
	return good;
}

static bool halt(struct console *c, int argc, char **argv)
{
	(void)argc, (void)argv;
	c->done = c->halt = true;
	return true;
}

const struct command host_commands[] = {
	{ "add", add, 1, -1, "Add hosts to the machine", "Syntax:  add hostname ...\n" },
	{ "conf", conf, 0, 0, "List the hosts of the machine",
	  "Syntax:  conf\n"
	  "Output fields:\n"
	  "  HOST    name\n"
	  "  DTID    task id of its daemon\n"
	  "  ARCH    architecture\n"
	  "  SPEED   relative speed\n"
	  "  DSIG    how it lays data out\n" },
	{ "delete", delete, 1, -1, "Take hosts, and the tasks there, out of the machine",
	  "Syntax:  delete hostname ...\n" },
	{ "halt", halt, 0, 0, "End all tasks, and PVM on this machine", "Syntax:  halt\n" },
	{ "mstat", mstat, 1, -1, "Show whether hosts are there", "Syntax:  mstat hostname ...\n" },
	{ 0 },
};
