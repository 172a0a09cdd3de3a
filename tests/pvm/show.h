/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the programs that show what PVM does: one line for each call, the same wherever they run.
 * Numbers that differ from run to run (task ids, buffers) are shown as names.
 */
#ifndef TESTS_PVM_SHOW_H
#define TESTS_PVM_SHOW_H

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <pvm3.h>

/* PVM knows no const: texts are given where it would have them written. */
#pragma GCC diagnostic ignored "-Wwrite-strings"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wincompatible-pointer-types-discards-qualifiers"
#else
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"
#endif

/* What a call returns, as it is. */
#define SHOW(call) show_value(#call, (long)(call))
/* A call that returns a buffer: its number means nothing. */
#define SHOW_BUF(call) show_buf(#call, (call))
/* A call that returns a task. */
#define SHOW_TID(call) show_tid(#call, (call))
/* A text. */
#define SHOW_STR(text) show_str(#text, (text))

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static struct {
	int tid;
	char name[32];
} show_names[64];
static int show_num_names;

/* From now on this task is shown by name. */
static inline void name_tid(int tid, const char *name)
{
	if (show_num_names < COUNT(show_names)) {
		show_names[show_num_names].tid = tid;
		snprintf(show_names[show_num_names++].name, sizeof(show_names[0].name), "%s", name);
	}
}

static inline void name_tids(const int *tids, int n, const char *name)
{
	char numbered[32];

	for (int i = 0; i < n; i++) {
		snprintf(numbered, sizeof(numbered), "%.16s%d", name, i);
		name_tid(tids[i], numbered);
	}
}

static inline const char *tid_name(int tid)
{
	static char text[8][16];
	static int next;

	for (int i = show_num_names - 1; i >= 0; i--)
		if (show_names[i].tid == tid)
			return show_names[i].name;
	next = (next + 1) % 8;
	if (tid > -64 && tid <= 0)
		snprintf(text[next], sizeof(text[0]), "%d", tid);
	else
		snprintf(text[next], sizeof(text[0]), "%s", tid < 0 ? "a daemon" : "a task");
	return text[next];
}

static inline long show_value(const char *call, long value)
{
	printf("%s -> %ld\n", call, value);
	return value;
}

static inline int show_buf(const char *call, int buf)
{
	if (buf > 0)
		printf("%s -> a buffer\n", call);
	else
		printf("%s -> %d\n", call, buf);
	return buf;
}

static inline int show_tid(const char *call, int tid)
{
	printf("%s -> %s\n", call, tid_name(tid));
	return tid;
}

static inline void show_str(const char *what, const char *text)
{
	printf("%s -> '%s'\n", what, text ? text : "(null)");
}

static inline void head(const char *text)
{
	printf("\n[%s]\n", text);
}

/* The length, tag and sender of a buffer. */
static inline void show_info(int buf)
{
	int len = -99, tag = -99, tid = -99;
	int rc = pvm_bufinfo(buf, &len, &tag, &tid);

	printf("  bufinfo -> %d: %d bytes, tag %d, from %s\n", rc, len, tag, tid_name(tid));
}

static inline int buf_len(int buf)
{
	int len = -1;

	pvm_bufinfo(buf, &len, NULL, NULL);
	return len;
}

/* This program, to be spawned again. */
static inline char *self_path(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n < 0 ? 0 : n] = '\0';
	return path;
}

/* Starts n tasks of this program in the given role; they are named role0, role1, … */
static inline int spawn_role(char *role, int n, int *tids)
{
	char *argv[] = { role, NULL };
	int started = pvm_spawn(self_path(), argv, PvmTaskDefault, NULL, n, tids);

	if (started != n)
		printf("spawning %d of %s -> %d, %d\n", n, role, started,
		       tids[started > 0 ? started : 0]);
	name_tids(tids, started, role);
	return started;
}

/* Sends an int in a new buffer. */
static inline int send_int(int tid, int tag, int value)
{
	pvm_initsend(PvmDataDefault);
	pvm_pkint(&value, 1, 1);
	return pvm_send(tid, tag);
}

static inline int recv_int(int tid, int tag)
{
	int value = -99;
	int rc = pvm_recv(tid, tag);

	if (rc < 0)
		return rc;
	pvm_upkint(&value, 1, 1);
	return value;
}

/*
 * Waits for all that we have sent to ourselves: messages to oneself may go through a daemon, and
 * those who only look must not be too early.
 */
static inline void settle(void)
{
	int context = pvm_setcontext(54321), sbuf = pvm_setsbuf(0), rbuf = pvm_setrbuf(0);

	send_int(pvm_mytid(), 1, 0);
	recv_int(-1, 1);
	pvm_freebuf(pvm_getsbuf());
	pvm_freebuf(pvm_getrbuf());
	pvm_setsbuf(sbuf);
	pvm_setrbuf(rbuf);
	pvm_setcontext(context);
}

/* A child waits for the word of its parent; then it may go. */
static inline void wait_word(int tag)
{
	pvm_recv(pvm_parent(), tag);
}

static inline void say_word(const int *tids, int n, int tag)
{
	for (int i = 0; i < n; i++)
		send_int(tids[i], tag, 0);
}

/* Nobody waits for ever: what hangs is ended by a signal and shows as a missing line. */
static inline void start(int argc, char **argv, int seconds)
{
	(void)argc, (void)argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm((unsigned)seconds);
}

static inline int is_role(int argc, char **argv, const char *role)
{
	return argc > 1 && strcmp(argv[1], role) == 0;
}

#endif
