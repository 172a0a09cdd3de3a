/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Standard input: numbered Stdin messages, written to the ranks that read it.
 *
 * A message is acknowledged once every reader has taken it or has gone, which is what holds the
 * client back: at most its own window is ever here. Repeats are acknowledged again and dropped; a
 * message that skips a number is dropped until the missing one has come.
 */
#ifndef SHEP_INPUT_H
#define SHEP_INPUT_H

#include <stdint.h>
#include <uv.h>

#include "libdvm/proto/pb.h"

struct shep_input; /* incomplete */

/* ACK is told the last number that is done with. */
int shep_input_create(struct shep_input **out, uv_loop_t *loop, size_t readers,
		      void (*ack)(uint64_t seq, void *arg), void *arg);

/* Takes over FD, the write end of a reader's pipe (closed on failure, too). */
int shep_input_add(struct shep_input *in, int fd);

void shep_input_message(struct shep_input *in, const Pb__Stdin *msg);

/* Says once more what is done with: the last word may have been lost. */
void shep_input_ack_again(struct shep_input *in);

void shep_input_destroy(struct shep_input *in); /* NULL is allowed */

#endif
