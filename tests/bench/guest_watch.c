/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_watch RAM-KIB CMD…: runs a monitor with its console as standard output and tells how long
 * its guest took to its first line ("guest: …") and to its end, what private memory the monitor had
 * beside the guest's RAM at the first, and what the guest itself has measured. Static, for hosts that
 * have no libraries. Prints one JSON object.
 *
 * Meanwhile it is the other end of the guest's network: a connection says by its first byte what it
 * wants: (e)cho bytes, (s)wallow what comes and say so in the end, (g)ive what is taken.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

/* Private memory in all mappings that are smaller than the guest's RAM. */
static long private_kib(pid_t pid, long ram)
{
	char path[64], line[512];
	long size = 0, n, sum = 0;

	snprintf(path, sizeof path, "/proc/%d/smaps", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "Size: %ld kB", &n) == 1)
			size = n;
		if (size < ram && (sscanf(line, "Private_Clean: %ld kB", &n) == 1 ||
				   sscanf(line, "Private_Dirty: %ld kB", &n) == 1))
			sum += n;
	}
	fclose(f);
	return sum;
}

static void serve(int fd)
{
	static char buf[1 << 20];
	int one = 1;
	ssize_t n;
	char what;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (read(fd, &what, 1) != 1)
		return;
	if (what == 'e')
		while ((n = read(fd, buf, 1)) == 1 && write(fd, buf, 1) == 1)
			;
	else if (what == 'g')
		while (write(fd, buf, sizeof buf) > 0)
			;
	else {
		while (read(fd, buf, sizeof buf) > 0)
			;
		(void)!write(fd, "", 1);
	}
}

/* A process of its own, which ends with us. */
static void start_server(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7070) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, fd;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 8) < 0 || fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve(fd);
		close(fd);
	}
	_exit(0);
}

static pid_t start(char **argv, FILE **out)
{
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);
		dup2(null, 0);
		dup2(fds[1], 1);
		close(fds[0]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	*out = fdopen(fds[0], "r");
	return pid;
}

int main(int argc, char **argv)
{
	char line[1024];
	const char *word;
	long kib = -1;
	int status = 0;
	FILE *out;

	if (argc < 3)
		return 2;
	start_server();
	double began = now_ms(), first = 0;
	pid_t pid = start(argv + 2, &out);
	if (pid < 0)
		return 1;
	printf("{\"said\":[");
	while (fgets(line, sizeof line, out)) {
		if (!(word = strstr(line, "guest: ")))
			continue;
		if (!first) {
			first = now_ms();
			kib = private_kib(pid, atol(argv[1]));
		}
		line[strcspn(line, "\r\n\"\\")] = 0;
		printf("%s\"%s\"", strstr(word, "kernel") ? "" : ",", word + 7);
	}
	waitpid(pid, &status, 0);
	double end = now_ms();
	printf("],\"status\":%d,\"init_ms\":%.1f,\"off_ms\":%.1f,\"private_kib\":%ld}\n",
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
	       first ? first - began : -1, end - began, kib);
	return 0;
}
