/* SPDX-License-Identifier: BSD-3-Clause */
/* Entry of the first CPU (long mode, RSI at the boot parameters), of the others, and of traps. */
#define TRAMPOLINE 0x10000
#define CR3_AT     (TRAMPOLINE + 0xff0)
#define STACK_SIZE 16384

	.text
	.globl _start
_start:
	lea stacks + STACK_SIZE(%rip), %rsp
	mov %rsi, %rdi
	cld
	call payload_main
1:	hlt
	jmp 1b

/* All other CPUs come here in long mode; each takes the next stack. */
ap_start:
	mov $1, %eax
	lock xaddl %eax, ap_count(%rip)
	lea 1(%rax), %edi
	lea 2(%rax), %ecx
	imul $STACK_SIZE, %rcx, %rcx
	lea stacks(%rip), %rsp
	add %rcx, %rsp
	call payload_ap
2:	hlt
	jmp 2b

/* Real mode at TRAMPOLINE: to long mode with the tables of the first CPU. */
	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	mov %cs, %ax
	mov %ax, %ds
	lgdtl (gdt_pointer - trampoline)
	mov $0x20, %eax
	mov %eax, %cr4
	mov (0xff0), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	mov $0x100, %eax
	xor %edx, %edx
	wrmsr
	mov $0x80000011, %eax
	mov %eax, %cr0
	ljmpl $16, $(TRAMPOLINE + long_mode - trampoline)
	.code64
long_mode:
	mov $24, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $ap_start, %rax
	jmp *%rax
	.balign 8
gdt:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word 31
	.long TRAMPOLINE + gdt - trampoline
trampoline_end:

/* Traps: vector and error code on the stack, then one handler for all. */
	.balign 16
	.globl traps
traps:
	.set n, 0
	.rept 256
	.balign 16
	.if (n == 8) || (n >= 10 && n <= 14) || (n == 17) || (n == 21)
	nop
	.else
	push $0
	.endif
	push $n
	jmp trap_common
	.set n, n + 1
	.endr

trap_common:
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	mov 72(%rsp), %rdi
	lea 88(%rsp), %rsi
	cld
	call payload_trap
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.bss
	.balign 16
	.globl ap_count
ap_count: .long 0
	.balign 4096
stacks:	.skip STACK_SIZE * 17
	.section .note.GNU-stack, "", @progbits
