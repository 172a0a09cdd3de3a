/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs of MPI that start others and find each other. Each rank says in one line that all went well,
 * or what did not.
 *
 *	dynamic spawn N		all spawn N children, talk to them, let them go
 *	dynamic multi		rank 0 and all: two programs with arguments of their own
 *	dynamic again N		N times one child
 *	dynamic chain DEPTH	a child that spawns a child that ...
 *	dynamic missing | many N	what cannot be started is an error, and no more
 *	dynamic late		children that are let go outlive their parents
 *	dynamic child-abort | child-exit | child-crash	end all
 *	dynamic serve NAME N | call NAME	N callers, one after the other, by a published name
 *	dynamic publish NAME PORT | lookup NAME	names alone
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank, size;
static char *self;

static void fail(const char *what)
{
	fprintf(stderr, "rank %d: %s\n", rank, what);
	MPI_Abort(MPI_COMM_WORLD, 99);
}

static void check(int good, const char *what)
{
	if (!good)
		fail(what);
}

/* Both sides of INTER, HIGH behind the others: everybody talks to everybody. */
static void talk(MPI_Comm inter, int high, int expected)
{
	int me, n, sum, around[2];
	MPI_Comm all;

	MPI_Intercomm_merge(inter, high, &all);
	MPI_Comm_rank(all, &me);
	MPI_Comm_size(all, &n);
	check(n == expected, "size of the merged communicator");
	MPI_Allreduce(&me, &sum, 1, MPI_INT, MPI_SUM, all);
	check(sum == n * (n - 1) / 2, "sum in the merged communicator");
	around[0] = me;
	MPI_Sendrecv(&around[0], 1, MPI_INT, (me + 1) % n, 3, &around[1], 1, MPI_INT,
		     (me + n - 1) % n, 3, all, MPI_STATUS_IGNORE);
	check(around[1] == (me + n - 1) % n, "ring in the merged communicator");
	MPI_Comm_free(&all);
}

/* ---- parents ---- */

static MPI_Comm spawn(int n, char *verb, char *more)
{
	char *argv[] = { "child", verb, more, NULL };
	int codes[64], remote;
	MPI_Comm inter;

	MPI_Comm_spawn(self, argv, n, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &inter, codes);
	for (int i = 0; i < n; i++)
		check(codes[i] == MPI_SUCCESS, "error code of a child");
	MPI_Comm_remote_size(inter, &remote);
	check(remote == n, "number of children");
	return inter;
}

static void do_spawn(int n)
{
	int token = 17 + rank;
	MPI_Comm inter = spawn(n, "spawn", NULL);

	if (rank == 0)
		for (int i = 0; i < n; i++)
			MPI_Send(&token, 1, MPI_INT, i, 1, inter);
	talk(inter, 0, size + n);
	MPI_Comm_disconnect(&inter);
	printf("parent %d ok\n", rank);
}

static void do_multi(void)
{
	char *commands[] = { self, self }, *first[] = { "child", "multi", "red", NULL },
	     *second[] = { "child", "multi", NULL }, **argvs[] = { first, second };
	MPI_Info infos[2] = { MPI_INFO_NULL, MPI_INFO_NULL };
	int counts[] = { 2, 1 }, codes[3] = { -1, -1, -1 };
	MPI_Comm inter;

	MPI_Comm_spawn_multiple(2, commands, argvs, counts, infos, 0, MPI_COMM_WORLD, &inter,
				codes);
	check(!codes[0] && !codes[1] && !codes[2], "error codes");
	talk(inter, 0, size + 3);
	MPI_Comm_disconnect(&inter);
	printf("parent %d ok\n", rank);
}

static void do_chain(int depth)
{
	char text[16];
	MPI_Comm inter;

	snprintf(text, sizeof text, "%d", depth - 1);
	inter = spawn(1, "chain", text);
	talk(inter, 0, size + 1);
	MPI_Comm_disconnect(&inter);
	printf("depth %d ok\n", depth);
}

/* It fails with a code, for all, and the job goes on. */
static void do_refused(char *command, int n)
{
	char *argv[] = { "child", "spawn", NULL };
	int codes[1024], class = 0, sum, one = 1;
	MPI_Comm inter;

	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	int rc = MPI_Comm_spawn(command, argv, n, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &inter, codes);
	check(rc != MPI_SUCCESS, "it was spawned");
	MPI_Error_class(rc, &class);
	check(class == MPI_ERR_SPAWN, "another error than that of spawning");
	MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	check(sum == size, "sum after an error");
	printf("refused %d ok\n", rank);
}

static void do_bad(char *verb)
{
	MPI_Comm inter = spawn(2, verb, NULL);
	int never;

	MPI_Recv(&never, 1, MPI_INT, 0, 9, inter, MPI_STATUS_IGNORE);
	fail("a message that nobody has sent");
}

/* ---- children ---- */

/* Where memory is shared: names in it are those of others in the directory of another job or node. */
static int has_own_directory(void)
{
	const char *dir = getenv("OMPI_MCA_btl_vader_backing_directory"), *job = getenv("DVM_JOBID"),
		   *node = getenv("DVM_NODENAME");
	char end[128];

	if (!dir || !job || !node)
		return 1; /* the user's own choice */
	snprintf(end, sizeof end, "/%s/jobs/%s", node, job);
	return strlen(dir) > strlen(end) && !strcmp(dir + strlen(dir) - strlen(end), end);
}

static void be_child(MPI_Comm parent, int argc, char **argv)
{
	char *verb = argc > 2 ? argv[2] : "";
	int token, parents, *number, found;

	check(argc > 2 && !strcmp(argv[1], "child"), "arguments of a child");
	check(has_own_directory(), "its job's directory on this node");
	MPI_Comm_remote_size(parent, &parents);
	if (!strcmp(verb, "child-abort") && rank == 1)
		MPI_Abort(MPI_COMM_WORLD, 7);
	if (!strcmp(verb, "child-exit") && rank == 1)
		_Exit(3);
	if (!strcmp(verb, "child-crash") && rank == 1)
		raise(SIGKILL);
	while (!strncmp(verb, "child-", 6))
		pause();
	if (!strcmp(verb, "spawn")) {
		MPI_Recv(&token, 1, MPI_INT, 0, 1, parent, MPI_STATUS_IGNORE);
		check(token == 17, "a message of the parents");
	}
	if (!strcmp(verb, "multi")) {
		MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &number, &found);
		check(found && *number == (rank == 2), "MPI_APPNUM");
		check(argc == (rank == 2 ? 3 : 4), "number of arguments");
	}
	talk(parent, 1, parents + size);
	if (!strcmp(verb, "chain") && argc > 3 && atoi(argv[3]) > 0)
		do_chain(atoi(argv[3]));
	MPI_Comm_disconnect(&parent);
	if (!strcmp(verb, "late"))
		sleep(3); /* longer than a child of other kinds would be let live */
	printf("child %d of %d ok\n", rank, size);
}

/* ---- ports ---- */

static void do_serve(char *name, int n)
{
	char port[MPI_MAX_PORT_NAME] = "";
	int callers, number = 0;
	MPI_Comm inter;

	if (rank == 0) {
		MPI_Open_port(MPI_INFO_NULL, port);
		MPI_Publish_name(name, MPI_INFO_NULL, port);
	}
	for (int i = 0; i < n; i++) {
		MPI_Comm_accept(port, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &inter);
		MPI_Comm_remote_size(inter, &callers);
		talk(inter, 0, size + callers);
		if (rank == 0)
			MPI_Recv(&number, 1, MPI_INT, 0, 4, inter, MPI_STATUS_IGNORE);
		check(rank || number == 1234, "a message of a caller");
		MPI_Comm_disconnect(&inter);
	}
	if (rank == 0) {
		MPI_Unpublish_name(name, MPI_INFO_NULL, port);
		MPI_Close_port(port);
	}
	printf("server %d ok\n", rank);
}

/* The name may not be there yet: an error that is to be tried again. */
static void find_port(char *name, char *port)
{
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	for (int i = 0; i < 200; i++) {
		if (MPI_Lookup_name(name, MPI_INFO_NULL, port) == MPI_SUCCESS)
			return;
		usleep(100000);
	}
	fail("the name was never published");
}

static void do_call(char *name)
{
	char port[MPI_MAX_PORT_NAME] = "";
	int servers, number = 1234;
	MPI_Comm inter;

	if (rank == 0)
		find_port(name, port);
	MPI_Comm_connect(port, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &inter);
	MPI_Comm_remote_size(inter, &servers);
	talk(inter, 1, size + servers);
	if (rank == 0)
		MPI_Send(&number, 1, MPI_INT, 0, 4, inter);
	MPI_Comm_disconnect(&inter);
	printf("caller %d ok\n", rank);
}

/* Publishes, and stays until its input ends. */
static void do_publish(char *name, char *port)
{
	char line[8];

	MPI_Publish_name(name, MPI_INFO_NULL, port);
	printf("published\n");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin))
		;
	MPI_Unpublish_name(name, MPI_INFO_NULL, port);
}

static void do_lookup(char *name)
{
	char port[MPI_MAX_PORT_NAME] = "";

	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	if (MPI_Lookup_name(name, MPI_INFO_NULL, port) == MPI_SUCCESS)
		printf("found %s\n", port);
	else
		printf("not found\n");
}

/* What the last rank finds under NAME is what rank 0 has published last, or nothing where it took that back. */
static void do_tide(char *name, int n)
{
	char port[MPI_MAX_PORT_NAME], found[MPI_MAX_PORT_NAME];
	int wrong = 0;

	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	for (int i = 0; i < 2 * n; i++) {
		snprintf(port, sizeof port, "port%d", i / 2);
		if (rank == 0 && i % 2 == 0)
			MPI_Publish_name(name, MPI_INFO_NULL, port);
		else if (rank == 0)
			MPI_Unpublish_name(name, MPI_INFO_NULL, port);
		MPI_Barrier(MPI_COMM_WORLD);
		if (rank == size - 1) {
			int there = MPI_Lookup_name(name, MPI_INFO_NULL, found) == MPI_SUCCESS;
			wrong += i % 2 ? there : !there || strcmp(found, port) != 0;
		}
		MPI_Barrier(MPI_COMM_WORLD);
	}
	if (rank == size - 1)
		printf("%d of %d wrong\n", wrong, 2 * n);
}

static void be_parent(char *verb, char *first, char *second)
{
	int n = atoi(first);

	if (!strcmp(verb, "spawn"))
		do_spawn(n);
	else if (!strcmp(verb, "multi"))
		do_multi();
	else if (!strcmp(verb, "again"))
		while (n-- > 0)
			do_spawn(1);
	else if (!strcmp(verb, "chain"))
		do_chain(n);
	else if (!strcmp(verb, "missing"))
		do_refused("/nowhere/at/all", 1);
	else if (!strcmp(verb, "many"))
		do_refused(self, n);
	else if (!strcmp(verb, "serve"))
		do_serve(first, atoi(second));
	else if (!strcmp(verb, "call"))
		do_call(first);
	else if (!strcmp(verb, "publish"))
		do_publish(first, second);
	else if (!strcmp(verb, "tide"))
		do_tide(first, atoi(second));
	else if (!strcmp(verb, "lookup"))
		do_lookup(first);
	else
		do_bad(verb);
}

static void do_late(void)
{
	MPI_Comm inter = spawn(2, "late", NULL);

	talk(inter, 0, size + 2);
	MPI_Comm_disconnect(&inter);
	printf("parent %d ok\n", rank);
}

int main(int argc, char **argv)
{
	MPI_Comm parent;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Comm_get_parent(&parent);
	self = argv[0];
	check(argc > 1, "arguments");
	if (parent != MPI_COMM_NULL)
		be_child(parent, argc, argv);
	else if (!strcmp(argv[1], "late"))
		do_late();
	else
		be_parent(argv[1], argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : "");
	MPI_Finalize();
	return 0;
}
