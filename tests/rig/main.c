/* SPDX-License-Identifier: BSD-3-Clause */
/* rigtool: picks the verb. For the rig's own use; people use the script `rig`. */
#include "tests/rig/rigtool.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} verbs[] = {
	{ "agent", rig_agent_main },
	{ "keep", rig_keeper_main },
	{ "run", rig_client_main },
	{ "kvm", rig_kvm_main },
	{ "qmp", rig_qmp_main },
	{ "tsc", rig_tsc_main },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].main(argc - 1, argv + 1);
	fprintf(stderr, "rigtool: the rig's own helper; see rig --help\n");
	return 2;
}
