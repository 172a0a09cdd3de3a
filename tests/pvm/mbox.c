// SPDX-License-Identifier: BSD-3-Clause
/* Mailboxes: entries under a name, what may be done with them, and for how long. */
#include "tests/pvm/show.h"

enum { GO = 1, READY = 2 };

static int me, kid;

static int put(char *name, int flags, int value)
{
	int buf = pvm_initsend(PvmDataDefault), old = pvm_setsbuf(buf), rc;

	pvm_pkint(&value, 1, 1);
	rc = pvm_putinfo(name, buf, flags);
	pvm_setsbuf(old);
	return rc;
}

/* The value of an entry, or what went wrong. */
static int get(char *name, int index, int flags)
{
	int rc = pvm_recvinfo(name, index, flags), value = -99, old;

	if (rc < 0)
		return rc;
	old = pvm_setrbuf(rc);
	pvm_upkint(&value, 1, 1);
	pvm_freebuf(rc);
	pvm_setrbuf(old);
	return value;
}

/* Puts entries and keeps them until told to go. */
static int child(void)
{
	put("kept", PvmMboxPersistent, 31);
	put("lost", PvmMboxDefault, 32);
	put("many", PvmMboxMultiInstance, 33);
	put("free", PvmMboxOverWritable, 34);
	put("many.free", PvmMboxMultiInstance | PvmMboxOverWritable, 35);
	send_int(pvm_parent(), READY, 0);
	wait_word(GO);
	pvm_exit();
	return 0;
}

/* Puts an entry a little later. */
static int child_late(void)
{
	wait_word(GO);
	usleep(100000);
	put("late", PvmMboxPersistent, 77);
	pvm_exit();
	return 0;
}

static void single(void)
{
	head("one entry");
	SHOW(get("box", 0, PvmMboxDefault));
	SHOW(put("box", PvmMboxDefault, 1));
	SHOW(get("box", 0, PvmMboxDefault));
	SHOW(get("box", 0, PvmMboxDefault));
	SHOW(put("box", PvmMboxDefault, 2));
	SHOW(put("box", PvmMboxOverWritable, 2));
	SHOW(put("box", PvmMboxMultiInstance, 2));
	SHOW(get("box", 1, PvmMboxDefault));
	SHOW(get("box", -1, PvmMboxDefault));
	SHOW(pvm_delinfo("box", 1, PvmMboxDefault));
	SHOW(pvm_delinfo("box", 0, PvmMboxDefault));
	SHOW(pvm_delinfo("box", 0, PvmMboxDefault));
	SHOW(get("box", 0, PvmMboxDefault));
	SHOW(put("box", PvmMboxOverWritable, 3));
	SHOW(put("box", PvmMboxOverWritable, 4));
	SHOW(get("box", 0, PvmMboxDefault));
	SHOW(put("box", PvmMboxDefault, 5));
	SHOW(get("box", 0, PvmMboxDefault));
	SHOW(put("box", PvmMboxOverWritable, 6));
	SHOW(get("box", 0, PvmMboxReadAndDelete));
	SHOW(get("box", 0, PvmMboxReadAndDelete));
	SHOW(pvm_delinfo("box", 0, PvmMboxDefault));
}

static void several(void)
{
	head("several entries");
	SHOW(put("list", PvmMboxMultiInstance, 10));
	SHOW(put("list", PvmMboxMultiInstance, 11));
	SHOW(put("list", PvmMboxMultiInstance, 12));
	SHOW(get("list", 0, PvmMboxDefault));
	SHOW(get("list", 1, PvmMboxDefault));
	SHOW(get("list", 2, PvmMboxDefault));
	SHOW(get("list", 3, PvmMboxDefault));
	SHOW(get("list", 0, PvmMboxFirstAvail));
	SHOW(get("list", 2, PvmMboxFirstAvail));
	SHOW(get("list", 3, PvmMboxFirstAvail));
	SHOW(pvm_delinfo("list", 1, PvmMboxDefault));
	SHOW(get("list", 1, PvmMboxDefault));
	SHOW(get("list", 1, PvmMboxFirstAvail));
	SHOW(put("list", PvmMboxMultiInstance, 13));
	SHOW(get("list", 1, PvmMboxDefault));
	SHOW(put("list", PvmMboxDefault, 14));
	SHOW(put("list", PvmMboxOverWritable, 14));
	SHOW(put("list", PvmMboxMultiInstance | PvmMboxOverWritable, 15));
	SHOW(get("list", 3, PvmMboxDefault));
	for (int i = 0; i < 5; i++)
		SHOW(get("list", 0, PvmMboxFirstAvail | PvmMboxReadAndDelete));
	SHOW(put("list", PvmMboxMultiInstance | PvmMboxDirectIndex(7U), 16));
	SHOW(put("list", PvmMboxMultiInstance, 17));
	SHOW(put("list", PvmMboxMultiInstance | PvmMboxDirectIndex(7U), 18));
	SHOW(get("list", 7, PvmMboxDefault));
	SHOW(get("list", 0, PvmMboxDefault));
	SHOW(pvm_delinfo("list", 7, PvmMboxDefault));
	SHOW(pvm_delinfo("list", 0, PvmMboxDefault));
}

static void show_class(const struct pvmmboxinfo *c)
{
	printf("  %s, %d:", c->mi_name, c->mi_nentries);
	for (int i = 0; i < c->mi_nentries; i++)
		printf(" %d/%s/%d", c->mi_indices[i], tid_name(c->mi_owners[i]), c->mi_flags[i]);
	printf("\n");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct pvmmboxinfo *)a)->mi_name,
		      ((const struct pvmmboxinfo *)b)->mi_name);
}

static void show_classes(const char *call, char *pattern)
{
	struct pvmmboxinfo *classes = NULL;
	int n = -1, rc = pvm_getmboxinfo(pattern, &n, &classes);

	printf("%s -> %d, %d\n", call, rc, n);
	if (rc < 0)
		return;
	qsort(classes, (size_t)n, sizeof(*classes), by_name);
	for (int i = 0; i < n; i++)
		show_class(classes + i);
}
#define SHOW_CLASSES(pattern) show_classes(#pattern, pattern)

static void who_owns(void)
{
	head("whose they are");
	spawn_role("child", 1, &kid);
	recv_int(kid, READY);
	SHOW_CLASSES("");
	SHOW_CLASSES("*");
	SHOW_CLASSES("m*");
	SHOW_CLASSES("many");
	SHOW_CLASSES("none");
	SHOW(put("kept", PvmMboxDefault, 40));
	SHOW(put("lost", PvmMboxDefault, 40));
	SHOW(put("free", PvmMboxDefault, 40));
	SHOW(get("free", 0, PvmMboxDefault));
	SHOW(put("many", PvmMboxMultiInstance, 41));
	SHOW(put("many", PvmMboxDefault, 41));
	SHOW(put("many.free", PvmMboxMultiInstance, 42));
	SHOW(pvm_delinfo("lost", 0, PvmMboxDefault));
	SHOW(get("lost", 0, PvmMboxDefault));
	SHOW(pvm_delinfo("many", 0, PvmMboxDefault));
	SHOW(pvm_delinfo("many.free", 0, PvmMboxDefault));
	SHOW(pvm_delinfo("kept", 0, PvmMboxDefault));
	SHOW(get("many", 0, PvmMboxReadAndDelete));
	SHOW(put("kept", PvmMboxPersistent, 43));
	SHOW_CLASSES("");
	pvm_notify(PvmTaskExit, 9, 1, &kid);
	say_word(&kid, 1, GO);
	pvm_recv(-1, 9);
	SHOW_CLASSES("");
	SHOW(get("lost", 0, PvmMboxDefault));
	SHOW(get("kept", 0, PvmMboxDefault));
	SHOW(pvm_delinfo("kept", 0, PvmMboxDefault));
	SHOW(get("many", 1, PvmMboxReadAndDelete));
	SHOW(get("free", 0, PvmMboxReadAndDelete));
	SHOW(get("many.free", 1, PvmMboxReadAndDelete));
	SHOW_CLASSES("");
}

static void waiting(void)
{
	head("waiting");
	put("now", PvmMboxDefault, 76);
	SHOW(get("now", 0, PvmMboxWaitForInfo));
	pvm_delinfo("now", 0, 0);
	spawn_role("late", 1, &kid);
	say_word(&kid, 1, GO);
	SHOW(get("late", 0, PvmMboxWaitForInfo));
	SHOW(get("late", 0, PvmMboxReadAndDelete));
}

static void old_calls(void)
{
	int value = -1;

	head("insert, lookup, delete");
	SHOW(pvm_lookup("old", 0, &value));
	SHOW(pvm_insert("old", -1, 5));
	SHOW(pvm_insert("old", -1, 6));
	SHOW(pvm_insert("old", 7, 8));
	SHOW(pvm_insert("old", 7, 9));
	SHOW(pvm_insert("old", 0, 9));
	SHOW(pvm_lookup("old", 0, &value));
	SHOW(value);
	SHOW(pvm_lookup("old", 1, &value));
	SHOW(value);
	SHOW(pvm_lookup("old", 7, &value));
	SHOW(value);
	SHOW(pvm_lookup("old", -1, &value));
	SHOW(value);
	SHOW(pvm_lookup("old", 3, &value));
	SHOW(pvm_lookup("old", 0, NULL));
	SHOW_CLASSES("old");
	SHOW(pvm_delete("old", 7));
	SHOW(pvm_delete("old", 7));
	SHOW(pvm_delete("old", 0));
	SHOW(pvm_delete("old", -1));
	SHOW(pvm_delete("old", 1));
	SHOW(pvm_delete("old", 1));
	SHOW(pvm_delete("", 1));
	SHOW(pvm_insert("", -1, 1));
	SHOW(pvm_lookup("", -1, &value));
}

static void bad(void)
{
	int buf = pvm_initsend(0);

	head("bad arguments");
	SHOW(pvm_putinfo("", buf, 0));
	SHOW(pvm_putinfo(NULL, buf, 0));
	SHOW(pvm_recvinfo("", 0, 0));
	SHOW(pvm_recvinfo(NULL, 0, 0));
	SHOW(pvm_delinfo("", 0, 0));
	SHOW(pvm_delinfo(NULL, 0, 0));
	SHOW(pvm_putinfo("empty", buf, 0));
	SHOW_BUF(pvm_recvinfo("empty", 0, 0));
	SHOW(pvm_getsbuf() == buf);
	SHOW(pvm_delinfo("empty", 0, 0));
	pvm_setrbuf(0);
	put("quiet", 0, 1);
	buf = SHOW_BUF(pvm_recvinfo("quiet", 0, 0));
	SHOW(pvm_getrbuf() == buf);
	show_info(buf);
	SHOW(pvm_delinfo("quiet", -1, 0));
	SHOW(pvm_delinfo("quiet", 0, 12345));
	SHOW(pvm_delinfo("quiet", 0, 0));
}

int main(int argc, char **argv)
{
	start(argc, argv, 30);
	if (is_role(argc, argv, "child"))
		return child();
	if (is_role(argc, argv, "late"))
		return child_late();
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	single();
	several();
	who_owns();
	waiting();
	old_calls();
	bad();
	SHOW(pvm_exit());
	return 0;
}
