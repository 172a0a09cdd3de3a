/* SPDX-License-Identifier: BSD-3-Clause */
/* What ranks run in the shepherd's tests: one program, its verb the first argument. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Length of line I of a rank: mostly short, now and then longer than any buffer on the way. */
static size_t line_length(unsigned rank, unsigned i)
{
	if (i % 97 == 13)
		return 70000 + rank * 1000;
	return (i * 31 + rank * 7) % 200;
}

/* "RANK LINE xxxx…" COUNT times, in writes that do not end where lines do. */
static int lines(unsigned count)
{
	unsigned rank = (unsigned)atoi(getenv("DVM_RANK"));
	static char line[200000];

	setvbuf(stdout, NULL, _IOFBF, 3000);
	for (unsigned i = 0; i < count; i++) {
		size_t n = line_length(rank, i);
		memset(line, 'a' + (int)(rank % 26), n);
		line[n] = 0;
		printf("%u %u %s\n", rank, i, line);
	}
	return fflush(stdout) ? 1 : 0;
}

/* A process that does all that daemons do to get away, and says so in FILE. */
static int daemonize(const char *file, int keep_stdout)
{
	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			int fd = open("/dev/null", O_RDWR);
			dup2(fd, 0);
			dup2(fd, 2);
			if (!keep_stdout)
				dup2(fd, 1);
			fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
			dprintf(fd, "%d\n", (int)getpid());
			close(fd);
			for (;;)
				pause();
		}
		_exit(0);
	}
	/* Not before it is away. */
	while (access(file, F_OK) < 0)
		usleep(1000);
	return 0;
}

static _Noreturn void stubborn(void)
{
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_IGN);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

/* Rank 0 takes so many megabytes, the others none. */
static int eat(unsigned megabytes)
{
	size_t n = atoi(getenv("DVM_RANK")) ? 1 : (size_t)megabytes << 20;
	char *p = malloc(n);

	if (!p)
		return 1;
	memset(p, 1, n);
	return puts(p[n - 1] ? "fine" : "odd") < 0;
}

static void on_signal(int sig)
{
	char text[32];
	int n = snprintf(text, sizeof text, "signal %d\n", sig);

	if (write(1, text, (size_t)n) < 0)
		_exit(1);
}

static _Noreturn void signals(void)
{
	const int sigs[] = { SIGUSR1, SIGUSR2, SIGWINCH, SIGHUP, SIGINT };

	for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
		signal(sigs[i], on_signal);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "lines"))
		return lines((unsigned)atoi(argv[2]));
	if (!strcmp(verb, "daemonize"))
		return daemonize(argv[2], 0);
	if (!strcmp(verb, "daemonize-and-stay")) {
		daemonize(argv[2], 0);
		stubborn();
	}
	if (!strcmp(verb, "daemonize-with-stdout"))
		return daemonize(argv[2], 1);
	if (!strcmp(verb, "eat"))
		return eat((unsigned)atoi(argv[2]));
	if (!strcmp(verb, "stubborn"))
		stubborn();
	if (!strcmp(verb, "signals"))
		signals();
	fprintf(stderr, "shep_payload: no verb %s\n", verb);
	return 99;
}
