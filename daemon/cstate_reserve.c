/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes set apart for a while: reservations in the cluster state. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cstate_private.h"
#include "libdvm/base/err.h"

#define RESERVATIONS_MAX 1024u
#define USERS_MAX	 256u

#define refuse(err, code, ...) dvmi_error_set(err, code, __VA_ARGS__)

const Pb__Reservation *dvmd_cstate_reservation(const struct dvmd_cstate *s, const char *name)
{
	const struct reservation *r;

	HASH_FIND_STR(s->reservations, name, r);
	return r ? r->msg : NULL;
}

int dvmd_cstate_each_reservation(const struct dvmd_cstate *s,
				 int (*fn)(const Pb__Reservation *r, void *arg), void *arg)
{
	int rc = 0;

	for (const struct reservation *r = s->reservations; r && rc >= 0; r = r->hh.next)
		rc = fn(r->msg, arg);
	return rc < 0 ? rc : 0;
}

size_t dvmd_cstate_reservations(const struct dvmd_cstate *s)
{
	return HASH_COUNT(s->reservations);
}

/* ---- rules ---- */

static int check_users(const Pb__Reservation *r, dvm_error_t *err)
{
	if (r->n_users > USERS_MAX)
		return refuse(err, -EINVAL, "reservation %s: %zu users are more than %u", r->name,
			      r->n_users, USERS_MAX);
	for (size_t i = 0; i < r->n_users; i++) {
		int rc = dvmd_cstate_check_drained(r->users[i], r->by, err);
		if (rc < 0)
			return rc;
	}
	return dvmd_cstate_check_drained("", r->by, err);
}

static int check_message(const Pb__Reservation *r, dvm_error_t *err)
{
	int rc = dvmd_name_check("reservation", r->name, err);

	if (rc < 0)
		return rc;
	if (r->start >= r->end)
		return refuse(err, -EINVAL, "reservation %s ends before it begins", r->name);
	if (!r->n_nodes)
		return refuse(err, -EINVAL, "reservation %s has no node", r->name);
	for (size_t i = 1; i < r->n_nodes; i++)
		if (r->nodes[i] <= r->nodes[i - 1])
			return refuse(err, -EINVAL, "reservation %s: nodes do not ascend", r->name);
	return check_users(r, err);
}

static bool share_a_node(const Pb__Reservation *a, const Pb__Reservation *b)
{
	for (size_t i = 0, k = 0; i < a->n_nodes && k < b->n_nodes;) {
		if (a->nodes[i] == b->nodes[k])
			return true;
		if (a->nodes[i] < b->nodes[k])
			i++;
		else
			k++;
	}
	return false;
}

static int check_overlaps(const struct dvmd_cstate *s, const Pb__Reservation *r, dvm_error_t *err)
{
	for (const struct reservation *o = s->reservations; o; o = o->hh.next)
		if (o->msg->start < r->end && r->start < o->msg->end && share_a_node(o->msg, r))
			return refuse(err, -EBUSY, "reservation %s has some of the nodes at that time",
				      o->name);
	return 0;
}

int dvmd_cstate_check_reserve_add(const struct dvmd_cstate *s, const Pb__Reservation *r,
				  dvm_error_t *err)
{
	int rc = check_message(r, err);

	if (rc < 0)
		return rc;
	if (dvmd_cstate_reservation(s, r->name))
		return refuse(err, -EEXIST, "there is a reservation %s already", r->name);
	if (HASH_COUNT(s->reservations) >= RESERVATIONS_MAX)
		return refuse(err, -ENOSPC, "there are %u reservations already", RESERVATIONS_MAX);
	for (size_t i = 0; i < r->n_nodes; i++)
		if (!dvmd_cstate_find_member(s, r->nodes[i]))
			return refuse(err, -ENOENT, "reservation %s: no node with id %u", r->name,
				      r->nodes[i]);
	return check_overlaps(s, r, err);
}

int dvmd_cstate_check_reserve_remove(const struct dvmd_cstate *s, const char *name,
				     dvm_error_t *err)
{
	if (!dvmd_cstate_reservation(s, name))
		return refuse(err, -ENOENT, "there is no reservation \"%.80s\"", name);
	return 0;
}

/* ---- changes ---- */

int dvmd_cstate_reserve_add(struct dvmd_cstate *s, const Pb__Reservation *msg)
{
	struct reservation *r = calloc(1, sizeof *r);

	if (!r || !(r->msg = dvmi_pb_dup(msg))) {
		free(r);
		return -ENOMEM;
	}
	strncpy(r->name, msg->name, DVMD_NAME_MAX);
	HASH_ADD_STR(s->reservations, name, r);
	if (r->hh.tbl)
		return 0;
	dvmi_pb_free(r->msg);
	free(r);
	return -ENOMEM;
}

static void drop(struct dvmd_cstate *s, struct reservation *r)
{
	HASH_DEL(s->reservations, r);
	dvmi_pb_free(r->msg);
	free(r);
}

void dvmd_cstate_reserve_remove(struct dvmd_cstate *s, const char *name)
{
	struct reservation *r;

	HASH_FIND_STR(s->reservations, name, r);
	if (r)
		drop(s, r);
}

void dvmd_cstate_reservations_free(struct dvmd_cstate *s)
{
	while (s->reservations)
		drop(s, s->reservations);
}

/* Its nodes may have been removed since it was made. */
int dvmd_cstate_restore_reservation(struct dvmd_cstate *s, const Pb__Reservation *r,
				    dvm_error_t *err)
{
	int rc = check_message(r, err);

	if (rc < 0)
		return rc;
	if (dvmd_cstate_reservation(s, r->name))
		return refuse(err, -DVM_EPROTO, "reservation %s is there twice", r->name);
	return dvmd_cstate_reserve_add(s, r);
}
