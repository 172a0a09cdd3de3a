/* SPDX-License-Identifier: BSD-3-Clause */
/* mini-run: runs a program as a job under the test shepherd. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/api/minishep.h"

static int usage(void)
{
	fputs("usage: mini-run [-n RANKS] [-N NODES] [-c CORES] [-t SECONDS] [-i ADDR,…] [-k] PROG [ARG]...\n"
	      "  -i  the address of each node's interface\n"
	      "  -k  a rank killed by SIGKILL is no failure\n",
	      stderr);
	return 2;
}

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

/* The nodes share this host. */
static uint32_t cores_each(uint32_t nodes)
{
	uint32_t all = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);

	return all > nodes ? all / nodes : 1;
}

int main(int argc, char **argv)
{
	struct mini_options o = { .ranks = 1, .nodes = 1, .seconds = 60 };
	int c;

	while ((c = getopt(argc, argv, "+n:N:c:t:i:k")) != -1)
		switch (c) {
		case 'n':
			o.ranks = number(optarg);
			break;
		case 'N':
			o.nodes = number(optarg);
			break;
		case 'c':
			o.cores = number(optarg);
			break;
		case 't':
			o.seconds = number(optarg);
			break;
		case 'i':
			o.interfaces = optarg;
			break;
		case 'k':
			o.kills_are_good = true;
			break;
		default:
			return usage();
		}
	o.argv = argv + optind;
	if (!o.argv[0] || !o.ranks || !o.nodes || o.nodes > o.ranks)
		return usage();
	if (!o.cores)
		o.cores = cores_each(o.nodes);
	return mini_run(&o);
}
