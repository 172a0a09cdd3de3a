/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of rigtool, the C half of the rig. Each is a main(): it prints its own errors and
 * returns the program's exit code. */
#ifndef TESTS_RIG_RIGTOOL_H
#define TESTS_RIG_RIGTOOL_H

/* agent INTERFACE ADDRESS PORT TOKENFILE: process 1 of an emulated host; runs commands for clients.
 */
int rig_agent_main(int argc, char **argv);

/* keep DIR OWNER: starts the hosts below the rig's directory, is their network, ends with them. */
int rig_keeper_main(int argc, char **argv);

/* run [OPTIONS] DIR PROGRAM [ARGS...]: runs a command on the host of directory DIR. */
int rig_client_main(int argc, char **argv);

/* kvm: tells whether /dev/kvm runs a guest. */
int rig_kvm_main(int argc, char **argv);

/* qmp SOCKET COMMAND [ARGUMENTS]: one command to an emulator's monitor; prints its answer. */
int rig_qmp_main(int argc, char **argv);

/* tsc: the rate of the time stamp counter, in kHz. */
int rig_tsc_main(int argc, char **argv);

#endif
