/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Process 1 of test guests: does what the kernel's command line says after do=, a list of verbs
 * with commas, prints one line "guest: …" for each, and switches the guest off. As another process
 * it does what its arguments say.
 */
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/guest/init_io.h"
#include "tests/guest/mapping.h"
#include "tests/guest/programs.h"
#include "tests/guest/threads.h"

const char *guest_line(const char *path)
{
	static char buf[4096];
	FILE *f = fopen(path, "re");

	if (!f || !fgets(buf, sizeof buf, f))
		strcpy(buf, "-");
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = 0;
	return buf;
}

bool guest_pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof set, &set) == 0;
}

unsigned guest_cpus(void)
{
	return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

static void show_kernel(void)
{
	struct utsname u;

	uname(&u);
	printf("guest: kernel %s\n", u.release);
}

static void show_cpus(void)
{
	printf("guest: cpus %s\n", guest_line("/sys/devices/system/cpu/online"));
}

/* What the kernel has of it for use, from "Node 0 MemTotal:  253068 kB". */
static unsigned long node_mib(int node)
{
	unsigned long kb = 0;
	char path[64];

	snprintf(path, sizeof path, "/sys/devices/system/node/node%d/meminfo", node);
	if (sscanf(guest_line(path), "Node %*d MemTotal: %lu kB", &kb) != 1)
		return 0;
	return kb / 1024;
}

static void show_nodes(void)
{
	char path[64];

	printf("guest: nodes %s\n", guest_line("/sys/devices/system/node/online"));
	for (int i = 0;; i++) {
		snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", i);
		if (access(path, F_OK))
			return;
		printf("guest: node %d cpus %s", i, guest_line(path));
		snprintf(path, sizeof path, "/sys/devices/system/node/node%d/distance", i);
		printf(" distance %s", guest_line(path));
		printf(" memory %lu MiB\n", node_mib(i));
	}
}

static void show_clock(void)
{
	printf("guest: clock %s of %s\n",
	       guest_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
	       strdup(guest_line("/sys/devices/system/clocksource/clocksource0/available_clocksource")));
}

/* CPUs that the kernel has left alone (maxcpus=) are started now. */
static void start_cpus(void)
{
	char path[64];
	int fd, started = 0;

	for (int i = 1;; i++) {
		snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", i);
		if ((fd = open(path, O_WRONLY | O_CLOEXEC)) < 0)
			break;
		started += write(fd, "1", 1) == 1;
		close(fd);
	}
	printf("guest: started %d\n", started);
}

/* Runs on each CPU and reads the clock there: it must never go back. */
static void visit(int rounds)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t last = 0;
	unsigned back = 0, moves = 0;

	for (int round = 0; round < rounds; round++)
		for (long cpu = 0; cpu < n; cpu++) {
			struct timespec ts;
			if (!guest_pin((unsigned)cpu))
				continue;
			clock_gettime(CLOCK_MONOTONIC, &ts);
			int64_t now = ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
			back += now < last;
			last = now;
			moves++;
		}
	printf("guest: %u moves, clock went back %u times\n", moves, back);
}

static void visit_cpus(void)
{
	visit(200);
}

static void see_cpus(void)
{
	visit(5);
}

/* Sleeps and compares the two clocks the kernel has. */
static void nap(void)
{
	struct timespec a, b, ms = { 0, 200000000 };

	clock_gettime(CLOCK_MONOTONIC, &a);
	nanosleep(&ms, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	int64_t ns = (b.tv_sec - a.tv_sec) * INT64_C(1000000000) + b.tv_nsec - a.tv_nsec;
	printf("guest: nap %s\n", ns >= 200000000 && ns < INT64_C(60000000000) ? "good" : "bad");
}

static double ns_between(const struct timespec *a, const struct timespec *b, unsigned n)
{
	int64_t ns = (b->tv_sec - a->tv_sec) * INT64_C(1000000000) + b->tv_nsec - a->tv_nsec;

	return (double)ns / n;
}

/* What the monitor does not hear of: an exit that ends in the host's kernel. */
static void count_traps(void)
{
	enum { N = 3000 };
	struct timespec a, b;
	unsigned eax, ebx, ecx, edx;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < N; i++)
		__cpuid(0, eax, ebx, ecx, edx);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("guest: trap %.0f ns\n", ns_between(&a, &b, N));
}

/* What a port that nobody has costs: an exit to the monitor and back. By a child: where ports of user
 * space do not survive nesting, only that one dies. */
static void count_exits(void)
{
	enum { N = 3000 };
	struct timespec a, b;
	pid_t pid = fork();

	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (pid != 0)
		return;
	if (ioperm(0x80, 1, 1) < 0)
		_exit(1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < N; i++)
		outb(0, 0x80);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("guest: exit %.0f ns\n", ns_between(&a, &b, N));
	_exit(0);
}

/* How late a sleep of a millisecond ends. */
static void count_late(void)
{
	enum { N = 100 };
	struct timespec a, b, ms = { 0, 1000000 };

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < N; i++)
		nanosleep(&ms, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("guest: late %.0f ns\n", ns_between(&a, &b, N) - 1e6);
}

/* A byte to a process that sleeps on another CPU, and back: two interrupts between processors. */
static void count_wakes(void)
{
	enum { N = 300 };
	struct timespec a, b;
	int there[2], back[2];
	char c = 0;

	if (pipe(there) < 0 || pipe(back) < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		guest_pin(1);
		for (int i = 0; i < N; i++)
			if (read(there[0], &c, 1) != 1 || write(back[1], &c, 1) != 1)
				_exit(1);
		_exit(0);
	}
	guest_pin(0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < N; i++)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			return;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("guest: wake %.0f ns\n", ns_between(&a, &b, N));
}

static void touch_memory(void)
{
	long pages = sysconf(_SC_AVPHYS_PAGES) / 10 * 9, bad = 0;
	uint64_t *p = malloc((size_t)pages * 4096);

	for (long i = 0; p && i < pages * 512; i++)
		p[i] = (uint64_t)i * 2654435761u;
	for (long i = 0; p && i < pages * 512; i++)
		bad += p[i] != (uint64_t)i * 2654435761u;
	printf("guest: memory %ld MiB %s\n", pages / 256, p && !bad ? "good" : "bad");
	free(p);
}

/* What follows is done by the last CPU, in a guest over several hosts the last host's. */
static void go_far(void)
{
	unsigned last = guest_cpus() - 1;

	printf("guest: on CPU %u%s\n", last, guest_pin(last) ? "" : ": bad");
}

/* A program that says where it runs; as another process (see each). */
static void work(void)
{
	uint64_t seed = 1, sum = 0;

	for (unsigned i = 0; i < 100000; i++)
		sum += guest_next(&seed) >> 32;
	printf("guest: program on CPU %d: %s\n", sched_getcpu(),
	       sum == UINT64_C(214647737704915) ? "good" : "bad");
}

/* A program is started on every CPU. */
static void run_on_each(void)
{
	unsigned n = guest_cpus(), good = 0;

	for (unsigned cpu = 0; cpu < n; cpu++) {
		int status = -1;
		pid_t pid = fork();
		if (pid == 0) {
			guest_pin(cpu);
			execl("/proc/self/exe", "init", "work", (char *)NULL);
			_exit(1);
		}
		good += pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
	}
	printf("guest: programs ran on %u of %u CPUs\n", good, n);
}

/* Since the kernel has begun. */
static void show_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	printf("guest: up %.1f s\n", (double)t.tv_sec + (double)t.tv_nsec / 1e9);
}

/* For those who look at the guest's counters meanwhile. */
static void rest(void)
{
	struct timespec t = { 5, 0 };

	printf("guest: rest\n");
	nanosleep(&t, NULL);
}

static void do_nothing(void)
{
}

/* Waits to be ended from outside. */
static void wait_here(void)
{
	printf("guest: waiting\n");
	for (;;)
		pause();
}

static void restart(void)
{
	printf("guest: restarting\n");
	fflush(stdout);
	reboot(RB_AUTOBOOT);
}

/* Prints lines for ever, each with its number. */
static void chatter(void)
{
	struct timespec ms = { 0, 10000000 };

	for (unsigned i = 0;; i++) {
		printf("guest: tick %u\n", i);
		nanosleep(&ms, NULL);
	}
}

static void do_verb(const char *name);

/* "do VERB" is done, too. */
static void echo(void)
{
	char text[256];

	printf("guest: speak\n");
	while (fgets(text, sizeof text, stdin) && strncmp(text, "end", 3)) {
		printf("guest: heard %s", text);
		text[strcspn(text, "\r\n")] = '\0';
		if (!strncmp(text, "do ", 3))
			do_verb(text + 3);
	}
}

static void some_mappings(void)
{
	guest_mapping(20);
}

static void few_mappings(void)
{
	guest_mapping(200);
}

static void many_mappings(void)
{
	guest_mapping(10000);
}

static void use_threads(void)
{
	guest_threads(50);
}

static void fight(void)
{
	guest_fight(15);
}

static void toil(void)
{
	guest_toil(60);
}

static void try_litmus(void)
{
	guest_litmus(100);
}

static void stress_a_little(void)
{
	guest_stress(NULL, 1);
}

static void stress_much(void)
{
	guest_stress(NULL, 20);
}

static const struct {
	const char *name;
	void (*fn)(void);
} verbs[] = {
	{ "threads", use_threads }, { "litmus", try_litmus },
	{ "fight", fight },	   { "toil", toil },
	{ "look", guest_look },	   { "each", run_on_each },    { "work", work },
	{ "far", go_far },	   { "up", show_time },	       { "nothing", do_nothing },
	{ "rest", rest },
	{ "compute", guest_compute }, { "stream", guest_stream },
	{ "stress", stress_a_little }, { "stresses", stress_much },
	{ "diskcheck", io_check_disk }, { "netcheck", io_check_network },
	{ "remap", some_mappings }, { "mapping", few_mappings }, { "mappings", many_mappings },
	{ "kernel", show_kernel }, { "cpus", show_cpus },      { "nodes", show_nodes },
	{ "clock", show_clock },   { "visit", visit_cpus },     { "see", see_cpus },    { "nap", nap },
	{ "memory", touch_memory }, { "wait", wait_here },     { "restart", restart },
	{ "chatter", chatter },	   { "echo", echo },	 { "online", start_cpus },
	{ "modules", io_modules }, { "disk", io_disk },	 { "net", io_network },
	{ "irqs", io_interrupts },
	{ "traps", count_traps },   { "exits", count_exits },  { "late", count_late },	 { "wakes", count_wakes },
};

static void do_verb(const char *name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (!strcmp(name, verbs[i].name)) {
			verbs[i].fn();
			return;
		}
	if (!strncmp(name, "stress-", 7))
		guest_stress(name + 7, 20);
	else
		printf("guest: no verb %s\n", name);
}

static void mount_all(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; getpid() != 1 && i < argc; i++)
		do_verb(argv[i]);
	if (getpid() != 1)
		return 0;
	mount_all();
	char *list = strstr(strdup(guest_line("/proc/cmdline")), "do=");
	if (list) {
		list += 3;
		list[strcspn(list, " ")] = 0;
	}
	for (char *verb = list ? strtok(list, ",") : NULL; verb; verb = strtok(NULL, ","))
		do_verb(verb);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
