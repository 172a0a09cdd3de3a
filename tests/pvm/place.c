// SPDX-License-Identifier: BSD-3-Clause
// Where tasks begin, and what they find in their environment.
#include "tests/pvm/show.h"

enum { REPORT = 1 };

static void pack_variable(const char *name)
{
	char *value = getenv(name);

	pvm_pkstr(value ? value : "(none)");
}

static int child(void)
{
	char here[PATH_MAX] = "", home[PATH_MAX] = "";

	if (!getcwd(here, sizeof(here)) || !realpath(getenv("HOME") ? getenv("HOME") : "", home))
		strcpy(home, "no home");
	pvm_initsend(PvmDataDefault);
	pvm_pkstr(strcmp(here, home) == 0 ? "home" : here);
	pack_variable("PVM_ARCH");
	pack_variable("PVM_EXPORT");
	pack_variable("FIRST");
	pack_variable("SECOND");
	pvm_pkstr(getenv("PVM_ROOT") ? "a root" : "no root");
	pvm_pkstr(getenv("PVMEPID") ? "a number" : "no number");
	pvm_send(pvm_parent(), REPORT);
	pvm_exit();
	return 0;
}

static void spawned(char *where)
{
	char *argv[] = { "child", NULL }, text[PATH_MAX];
	int tid, rc = pvm_spawn(self_path(), argv, PvmTaskDefault, where, 1, &tid);

	printf("'%s' -> %d:", where ? where : "(null)", rc);
	if (rc == 1)
		pvm_recv(tid, REPORT);
	for (int i = 0; rc == 1 && i < 7; i++) {
		pvm_upkstr(text);
		printf(" %s", text);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	start(argc, argv, 30);
	if (is_role(argc, argv, "child"))
		return child();
	pvm_setopt(PvmAutoErr, 0);
	unsetenv("PVM_EXPORT");
	if (chdir("/usr") < 0)
		return 1;
	head("where");
	spawned(NULL);
	spawned("");
	spawned(":/etc");
	spawned(":/no such place");
	head("variables");
	setenv("FIRST", "1 2", 1);
	setenv("SECOND", "", 1);
	SHOW(pvm_export("FIRST"));
	spawned(NULL);
	SHOW(pvm_export("SECOND"));
	SHOW(pvm_export("FIRST"));
	SHOW(pvm_export("NOT_SET"));
	spawned(":/etc");
	SHOW(pvm_unexport("FIRST"));
	spawned(NULL);
	SHOW(pvm_exit());
	return 0;
}
