/* SPDX-License-Identifier: BSD-3-Clause */
/* What clog.c (append, compact) and clog_load.c (open, replay) share. */
#ifndef DVMD_CLOG_PRIVATE_H
#define DVMD_CLOG_PRIVATE_H

#include <sys/types.h>

#include "daemon/clog.h"

#define CLOG_MAGIC	 "DVMLOG1\n"
#define CLOG_MAGIC_BYTES 8
#define CLOG_NAME	 "log"
#define CLOG_NEW_NAME	 "log.new"
#define CLOG_LOCK_NAME	 "log.lock"

/* A record as it is in the file. */
struct clog_entry {
	uint32_t len; /* of the command */
	uint8_t bytes[];
};

struct dvmd_clog {
	char *dir;
	int dirfd, lock_fd, fd;
	off_t size;		 /* where the next record goes */
	off_t reserved;		 /* blocks are allocated up to here */
	off_t base;		 /* size of the snapshot */
	uint64_t first;		 /* index behind the snapshot */
	struct clog_entry **ent; /* entries first … first + n - 1 */
	size_t n, cap;
	bool holding;
	size_t held;	   /* of them, the last ones, are not in the file */
	size_t held_bytes; /* they will take there, the head of the record not counted */
	size_t cut;
	int broken; /* the error after which the file is in an unknown state */
};

/* Keeps a copy of an entry that is in the file. -ENOMEM. */
int dvmd_clog_remember(struct dvmd_clog *l, uint64_t index, const void *data, uint32_t len);

/* N bytes behind the end of the file, durable; or nothing of them. */
int dvmd_clog_write(struct dvmd_clog *l, const void *p, size_t n);
/* Entry of LEN bytes is to be held: makes room in what is held if it must. */
int dvmd_clog_batch_room(struct dvmd_clog *l, uint32_t len);

/* Makes file contents and name durable; replaces l->fd. */
int dvmd_clog_write_snapshot(struct dvmd_clog *l, const struct dvmd_cstate *state,
			     dvm_error_t *err);

/* Replays the file l->fd into a fresh *state, cutting a torn tail. */
int dvmd_clog_load(struct dvmd_clog *l, struct dvmd_cstate **state, dvm_error_t *err);

#endif
