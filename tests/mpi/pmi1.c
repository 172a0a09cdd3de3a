/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank that speaks PMI-1 itself, for what no MPI library here asks for: MPICH's transport has no
 * ports, so MPICH never comes to spawn.
 *
 *	pmi1 spawn PROGRAM	two programs in one job: this one twice and PROGRAM once
 *	pmi1 child		prints what it was told
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *pmi;

static void ask(const char *question, char *answer, size_t size)
{
	fprintf(pmi, "%s\n", question);
	fflush(pmi);
	if (!fgets(answer, (int)size, pmi)) {
		fprintf(stderr, "no answer to %s\n", question);
		exit(1);
	}
	answer[strcspn(answer, "\n")] = '\0';
}

static void spawn(const char *self, const char *program)
{
	char answer[1024];

	fprintf(pmi,
		"mcmd=spawn\nnprocs=2\nexecname=%s\ntotspawns=2\nspawnssofar=1\narg1=child\n"
		"argcnt=1\npreput_num=1\npreput_key_0=PORT\npreput_val_0=tag=0 and more\n"
		"info_num=0\nendcmd\n",
		self);
	fprintf(pmi, "mcmd=spawn\nnprocs=1\nexecname=%s\ntotspawns=2\nspawnssofar=2\narg1=child\n"
		     "argcnt=1\npreput_num=0\ninfo_num=0\n", program);
	ask("endcmd", answer, sizeof answer);
	printf("%s\n", answer);
}

static void child(void)
{
	char port[1024], number[1024];

	ask("cmd=get kvsname=x key=PORT", port, sizeof port);
	ask("cmd=get_appnum", number, sizeof number);
	printf("child %s of %s spawned %s: %s %s\n", getenv("PMI_RANK"), getenv("PMI_SIZE"),
	       getenv("PMI_SPAWNED"), number, strstr(port, "value="));
}

int main(int argc, char **argv)
{
	char answer[1024];
	const char *fd = getenv("PMI_FD");

	pmi = fd ? fdopen(atoi(fd), "r+") : NULL;
	if (argc < 2 || !pmi) {
		fprintf(stderr, "pmi1 spawn PROGRAM | child, under dvm run --mpi pmi\n");
		return 2;
	}
	setvbuf(pmi, NULL, _IOLBF, 4096);
	ask("cmd=init pmi_version=1 pmi_subversion=1", answer, sizeof answer);
	if (!strcmp(argv[1], "spawn"))
		spawn(argv[0], argv[2]);
	else
		child();
	fflush(stdout);
	ask("cmd=finalize", answer, sizeof answer);
	return 0;
}
