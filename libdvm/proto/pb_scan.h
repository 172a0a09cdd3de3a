/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A look at a packed protobuf message before anything is allocated for it.
 *
 * The decoder needs far more memory than the bytes it reads (two bytes make an empty nested message
 * of hundreds), and merges a nested message that is given twice by copying what it had: in
 * 16 MiB there is room for a message that takes gigabytes or minutes. So the wire format is
 * walked first, and what our own encoder would never write is refused.
 */
#ifndef DVMI_PROTO_PB_SCAN_H
#define DVMI_PROTO_PB_SCAN_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* 0 when N bytes at P may be decoded as a DESC; -DVM_EPROTO. */
int dvmi_pb_scan(const ProtobufCMessageDescriptor *desc, const uint8_t *p, size_t n);

#endif
