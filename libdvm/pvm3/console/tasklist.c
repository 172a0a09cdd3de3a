// SPDX-License-Identifier: BSD-3-Clause
/* Tasks in a table. */
#include <string.h>

#include "libdvm/pvm3/console/console.h"

/* What the bits of ti_flag are called. */
static const struct {
	int bit;
	char letter;
} flags[] = {
	{ 1, 'a' },    { 2, 'f' },    { 4, 'c' },    { 8, 'o' },
	{ 0x20, 's' }, { 0x40, 'H' }, { 0x80, 'R' }, { 0x100, 'T' },
};

static void flag_letters(char *to, int bits)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (bits & flags[i].bit) {
			*to++ = flags[i].letter;
			*to++ = ',';
		}
	if (to[-1] == ',')
		to--;
	*to = '\0';
}

static const char *host_name(int tid)
{
	struct pvmhostinfo *hosts;
	int n;

	if (pvm_config(&n, NULL, &hosts) >= 0)
		for (int i = 0; i < n; i++)
			if (hosts[i].hi_tid == tid)
				return hosts[i].hi_name;
	return "-";
}

void tasks_heading(bool ids)
{
	printf("%24s %8s%s   FLAG 0x COMMAND\n", "HOST", "TID", ids ? "     PTID    PID" : "");
}

static void print_task(const struct pvmtaskinfo *t, bool ids)
{
	char letters[2 * sizeof(flags) / sizeof(flags[0]) + 2] = "/";

	flag_letters(letters + 1, t->ti_flag);
	printf("%24s", host_name(t->ti_host));
	if (t->ti_tid == pvm_mytid())
		printf("   (cons)");
	else
		printf(" %8x", (unsigned)t->ti_tid);
	if (ids)
		printf(" %8x %6d", (unsigned)t->ti_ptid, t->ti_pid);
	printf(" %7x%s %-12s\n", (unsigned)t->ti_flag, letters, *t->ti_a_out ? t->ti_a_out : "-");
}

static bool wanted(const struct task_filter *f, const struct pvmtaskinfo *t)
{
	if (f->only) {
		for (int i = 0; i < f->num_only; i++)
			if (f->only[i] == t->ti_tid)
				return true;
		return false;
	}
	if (!f->all && f->where == 0 && t->ti_host != pvm_tidtohost(pvm_mytid()))
		return false;
	return f->hidden || *t->ti_a_out;
}

int tasks_print(const struct task_filter *f)
{
	struct pvmtaskinfo *tasks;
	int n, rc = pvm_tasks(f->where, &n, &tasks);

	for (int i = 0; rc >= 0 && i < n; i++)
		if (wanted(f, &tasks[i]))
			print_task(&tasks[i], f->ids);
	return rc;
}
