/* SPDX-License-Identifier: BSD-3-Clause */
/* Verbs of process 1 that measure devices; each prints lines "guest: NAME VALUE UNIT". */
#ifndef TESTS_GUEST_INIT_IO_H
#define TESTS_GUEST_INIT_IO_H

void io_modules(void);
void io_interrupts(void);
void io_disk(void);
void io_network(void); /* with guest_watch on the other side of the card */
/* What is written is there after fsync, past the guest's cache; what is sent comes back (an echo is
 * on the other side, at the next port). */
void io_check_disk(void);
void io_check_network(void);

#endif
