/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's address map: what lies where, in physical memory and in port space. The same on all
 * hosts of a guest.
 *
 *	0x0000_0000 … 0xbfff_ffff	RAM (0x9f000 … 0xfffff reserved: random seed, ACPI, MP table)
 *	0xc000_0000 … 0xcfff_ffff	windows of PCI devices, below 4 GiB; over several hosts each has a
 *					slice of it
 *	0xd000_0000 … 0xd00f_ffff	virtio-mmio, a page each
 *	0xe000_0000 … 0xefff_ffff	PCI configuration space (MCFG), one bus of it for each host
 *	0xfec0_0000			I/O APIC
 *	0xfee0_0000			local APICs, and where MSIs go
 *	0x1_0000_0000 …			the rest of RAM, then windows of PCI devices from the next TiB
 */
#ifndef VMM_LAYOUT_H
#define VMM_LAYOUT_H

#define VMM_PAGE 4096u

#define VMM_RAM_LOW_MAX 0xc0000000ull /* RAM above it continues at VMM_RAM_HIGH */
#define VMM_RAM_HIGH	0x100000000ull

#define VMM_PCI_MMIO	  0xc0000000ull
#define VMM_PCI_MMIO_SIZE 0x10000000ull
#define VMM_PCI_SLICE	  0x400000ull
#define VMM_VIRTIO_MMIO	  0xd0000000ull
#define VMM_VIRTIO_MAX	  32u /* devices, a page each */
#define VMM_PCI_ECAM	  0xe0000000ull
#define VMM_PCI_ECAM_SIZE 0x10000000ull
#define VMM_IOAPIC	  0xfec00000ull
#define VMM_IOAPIC_SIZE	  0x1000ull
#define VMM_LAPIC	  0xfee00000ull
#define VMM_LAPIC_SIZE	  0x1000ull
#define VMM_MSI_SIZE	  0x100000ull
#define VMM_KVM_TSS	  0xfffbd000ull /* three pages that KVM may want for real mode */

/* Below 1 MiB. */
#define VMM_BOOT_GDT	 0x500ull
#define VMM_BOOT_STACK	 0x6f00ull
#define VMM_BOOT_PARAMS	 0x7000ull
#define VMM_BOOT_TABLES	 0x9000ull /* page tables of the start, six pages */
#define VMM_BOOT_CMDLINE 0x20000ull
#define VMM_BOOT_PVH	 0x22000ull
#define VMM_RAM_BASE_END 0x9f000ull
#define VMM_BOOT_SEED	 VMM_RAM_BASE_END
#define VMM_ACPI	 0xe0000ull
#define VMM_ACPI_END	 0xf0000ull
#define VMM_MPTABLE	 0xf0000ull /* where kernels look for it */
#define VMM_MPTABLE_END	 0x100000ull
#define VMM_KERNEL_MIN	 0x100000ull

/* Interrupt lines (pins of the I/O APIC). */
#define VMM_GSI_TIMER  2u /* the PIT, as ever wired to pin 2 */
#define VMM_GSI_SERIAL 4u
#define VMM_GSI_RTC    8u
#define VMM_GSI_SCI    9u
#define VMM_GSI_PCI    10u /* two lines of PCI's, which the old controllers have, too */
#define VMM_GSI_FREE   12u /* from here on for whoever asks */
#define VMM_GSIS       24u /* kernels touch each of them several times */

/* Ports. */
#define VMM_PORT_SERIAL	 0x3f8u
#define VMM_PORT_DEBUG	 0xe9u	 /* a byte for the console, as payloads use it */
#define VMM_PORT_EXIT	 0xf4u	 /* payloads end with this code */
#define VMM_PORT_PM1_EVT 0x600u /* status, enable */
#define VMM_PORT_PM1_CNT 0x604u
#define VMM_PORT_PM_TMR	 0x608u
#define VMM_PORT_RESET	 0x60cu /* not 0xcf9: that is within PCI's configuration ports */

#endif
