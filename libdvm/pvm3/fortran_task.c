// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fortran: tasks, hosts, options, mailboxes. What is a list in C is one entry for each call here,
 * round and round; the list is that of the first call of a round, and a count of -1 begins anew.
 */
#include <stdbool.h>
#include <string.h>

#include "libdvm/pvm3/fortran.h"

/* ---- tasks ---- */

void pvmfmytid_(int *tid)
{
	*tid = pvm_mytid();
}

void pvmfparent_(int *tid)
{
	*tid = pvm_parent();
}

void pvmfexit_(int *info)
{
	*info = pvm_exit();
}

void pvmfkill_(int *tid, int *info)
{
	*info = pvm_kill(*tid);
}

void pvmfsendsig_(int *tid, int *signal, int *info)
{
	*info = pvm_sendsig(*tid, *signal);
}

void pvmfpstat_(int *tid, int *info)
{
	*info = pvm_pstat(*tid);
}

void pvmftidtohost_(int *tid, int *host)
{
	*host = pvm_tidtohost(*tid);
}

void pvmfsiblings_(int *count, int *index, int *tid)
{
	int *tids;

	*count = pvm_siblings(&tids);
	*tid = *index >= 0 && *index < *count ? tids[*index] : PvmNoTask;
}

/* Nobody has a host of that name, and "*" is how programs say that they do not care. */
void pvmfspawn_(const char *task, int *flags, const char *where, int *count, int *tids,
		int *started, pvmi_flen task_len, pvmi_flen where_len)
{
	PVMI_TEXT(file, task, task_len);
	PVMI_TEXT(place, where, where_len);

	*started = pvm_spawn(file, NULL, *flags, place && strcmp(place, "*") != 0 ? place : NULL,
			     *count, tids);
}

void pvmfcatchout_(int *on, int *info)
{
	*info = pvm_catchout(*on ? stdout : NULL);
}

/* What tells of success where there is a list: nobody knows why. */
#define LISTED 1

/* Whether a round is over, or shall be: then the next one begins. */
static bool turn(int *next, int *n, int count)
{
	if (*next < *n && count != -1)
		return false;
	*next = *n = 0;
	return true;
}

void pvmftasks_(int *where, int *count, int *tid, int *parent, int *host, int *flag, char *program,
		int *info, pvmi_flen len)
{
	static struct pvmtaskinfo *tasks;
	static int n, next;

	*info = turn(&next, &n, *count) ? pvm_tasks(*where, &n, &tasks) : PvmOk;
	if (*info < 0)
		n = 0;
	else
		*info = LISTED;
	if (*info == LISTED)
		*count = n;
	if (next >= n)
		return;
	*tid = tasks[next].ti_tid;
	*parent = tasks[next].ti_ptid;
	*host = tasks[next].ti_host;
	*flag = tasks[next].ti_flag;
	pvmi_fortran_out(program, len, tasks[next].ti_a_out);
	next++;
}

void pvmfsleep_(int *seconds)
{
	pvmsleep(*seconds);
}

/* ---- hosts ---- */

void pvmfconfig_(int *count, int *archs, int *tid, char *name, char *arch, int *speed, int *info,
		 pvmi_flen name_len, pvmi_flen arch_len)
{
	static struct pvmhostinfo *hosts;
	static int n, num_archs, next;

	*info = turn(&next, &n, *count) ? pvm_config(&n, &num_archs, &hosts) : PvmOk;
	if (*info < 0)
		n = 0;
	else
		*info = LISTED;
	if (next >= n)
		return;
	*count = n;
	*archs = num_archs;
	*tid = hosts[next].hi_tid;
	*speed = hosts[next].hi_speed;
	pvmi_fortran_out(name, name_len, hosts[next].hi_name);
	pvmi_fortran_out(arch, arch_len, hosts[next].hi_arch);
	next++;
}

/* One host; what became of it instead of how many. */
static int change_host(int (*change)(char **, int, int *), char *name)
{
	int code = PvmNoMem;
	int rc = name ? change(&name, 1, &code) : PvmNoMem;

	return rc < 0 ? rc : code;
}

void pvmfaddhost_(const char *host, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, host, len);
	*info = change_host(pvm_addhosts, name);
}

void pvmfdelhost_(const char *host, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, host, len);
	*info = change_host(pvm_delhosts, name);
}

void pvmfmstat_(const char *host, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, host, len);
	*info = pvm_mstat(name);
}

void pvmfarchcode_(const char *arch, int *code, pvmi_flen len)
{
	PVMI_TEXT(name, arch, len);
	*code = pvm_archcode(name);
}

void pvmfhostsync_(int *host, int *sec, int *usec, int *delta_sec, int *delta_usec, int *info)
{
	struct timeval clock = { 0, 0 }, delta = { 0, 0 };

	*info = pvm_hostsync(*host, &clock, &delta);
	if (*info < 0)
		return;
	*sec = (int)clock.tv_sec;
	*usec = (int)clock.tv_usec;
	*delta_sec = (int)delta.tv_sec;
	*delta_usec = (int)delta.tv_usec;
}

/* The arguments of the daemon are words in one text. */
void pvmfstartpvmd_(const char *args, int *block, int *info, pvmi_flen len)
{
	PVMI_TEXT(line, args, len);
	char *argv[64], *rest = line;
	int argc = 0;

	while (line && argc < 63 && (argv[argc] = strtok_r(rest, " ", &rest)) != NULL)
		argc++;
	argv[argc] = NULL;
	*info = line ? pvm_start_pvmd(argc, argv, *block) : PvmNoMem;
}

void pvmfhalt_(int *info)
{
	*info = pvm_halt();
}

/* ---- options and errors ---- */

void pvmfgetopt_(int *what, int *value)
{
	*value = pvm_getopt(*what);
}

void pvmfsetopt_(int *what, int *value, int *old)
{
	*old = pvm_setopt(*what, *value);
}

void pvmfperror_(const char *text, int *info, pvmi_flen len)
{
	PVMI_TEXT(said, text, len);
	*info = pvm_perror(said);
}

/* ---- mailboxes ---- */

void pvmfputinfo_(const char *name, int *bufid, int *flags, int *index, pvmi_flen len)
{
	PVMI_TEXT(box, name, len);
	*index = pvm_putinfo(box, *bufid, *flags);
}

void pvmfrecvinfo_(const char *name, int *index, int *flags, int *bufid, pvmi_flen len)
{
	PVMI_TEXT(box, name, len);
	*bufid = pvm_recvinfo(box, *index, *flags);
}

void pvmfdelinfo_(const char *name, int *index, int *flags, int *info, pvmi_flen len)
{
	PVMI_TEXT(box, name, len);
	*info = pvm_delinfo(box, *index, *flags);
}

static void copy_ints(int *to, const int *from, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = from[i];
}

/*
 * One name for each call, until there is none: PvmNotFound. INDEX, OWNER and FLAGS get all entries
 * of the name and must have room for them. CLASSES or INFO of -1 begins anew.
 */
void pvmfgetmboxinfo_(const char *pattern, char *name, int *classes, int *entries, int *index,
		      int *owner, int *flags, int *info, pvmi_flen pattern_len, pvmi_flen name_len)
{
	static struct pvmmboxinfo *list;
	static int n, next;
	static bool begun;
	PVMI_TEXT(what, pattern, pattern_len);

	if (!begun || *classes == -1 || *info == -1) {
		next = 0;
		*info = what ? pvm_getmboxinfo(what, &n, &list) : PvmNoMem;
		begun = *info >= 0;
		if (!begun)
			return;
	}
	*classes = n;
	begun = next < n;
	*info = begun ? PvmOk : PvmNotFound;
	if (!begun)
		return;
	*entries = list[next].mi_nentries;
	copy_ints(index, list[next].mi_indices, *entries);
	copy_ints(owner, list[next].mi_owners, *entries);
	copy_ints(flags, list[next].mi_flags, *entries);
	pvmi_fortran_out(name, name_len, list[next++].mi_name);
}
