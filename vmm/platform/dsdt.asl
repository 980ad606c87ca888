/*
 * What the board consists of, for operating systems (ACPI 6.4). The addresses are those of
 * vmm/layout.h; tests/unit/test_acpi.c compares the two. acpi.c patches the names P32B, P64B and
 * P64L in the compiled table, nothing else.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "VMBOOT", "VMBOOT  ", 1)
{
    /* 32-bit PCI window: first address. */
    Name (P32B, 0xBADC0FFE)

    /* 64-bit PCI window: first address and length. Length 0: there is none. */
    Name (P64B, 0xBADC0FFEE0DDF00D)
    Name (P64L, 0xBADC0FFEE0DDF00D)

    /* Soft off: SLP_TYP 5 to the sleep control register. */
    Name (_S5, Package (4) { 5, 0, 0, 0 })

    Scope (_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_SEG, 0)
            Name (_BBN, 0)
            Name (_CCA, 1)

            Name (CRS0, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                    0, 0x00, 0x00, 0, 0x01)
                IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0, 0x0000, 0x0CF7, 0, 0x0CF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0, 0x0D00, 0xFFFF, 0, 0xF300)
                /* The 32-bit window, with the ECAM cut out. */
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                    ReadWrite, 0, 0xC0000000, 0xE7FFFFFF, 0, 0x28000000, , , LOW)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                    ReadWrite, 0, 0xF8000000, 0xFBFFFFFF, 0, 0x04000000)
            })

            CreateDWordField (CRS0, LOW._MIN, LMIN)
            CreateDWordField (CRS0, LOW._LEN, LLEN)

            Name (CRS1, ResourceTemplate ()
            {
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                    ReadWrite, 0, 0x100000000, 0x1FFFFFFFF, 0, 0x100000000, , , WIN)
            })
            CreateQWordField (CRS1, WIN._MIN, WMIN)
            CreateQWordField (CRS1, WIN._MAX, WMAX)
            CreateQWordField (CRS1, WIN._LEN, WLEN)

            Method (_CRS, 0, Serialized)
            {
                LMIN = P32B
                LLEN = 0xE8000000 - P32B
                If (P64L == 0)
                {
                    Return (CRS0)
                }
                WMIN = P64B
                WMAX = P64B + P64L - 1
                WLEN = P64L
                Return (ConcatenateResTemplate (CRS0, CRS1))
            }

            /* Pin P (0 is INTA#) of slot S is wired to GSI 16 + (S + P) % 4. */
            Method (_PRT, 0, Serialized)
            {
                Local0 = Package (128) {}
                Local1 = 0
                While (Local1 < 128)
                {
                    Local2 = Local1 >> 2
                    Local3 = Local1 & 3
                    Local4 = Package (4) { 0, 0, 0, 0 }
                    Local4 [0] = (Local2 << 16) | 0xFFFF
                    Local4 [1] = Local3
                    Local4 [3] = 16 + ((Local2 + Local3) & 3)
                    Local0 [Local1] = Local4
                    Local1++
                }
                Return (Local0)
            }

            /* PCI Firmware 3.2, 4.5.1: native PME, AER and capability control; no hot plug. */
            Method (_OSC, 4, NotSerialized)
            {
                CreateDWordField (Arg3, 0, CDW1)
                If (Arg0 != ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
                {
                    CDW1 |= 4   /* unknown UUID */
                    Return (Arg3)
                }
                If (Arg1 != 1)
                {
                    CDW1 |= 8   /* unknown revision */
                    Return (Arg3)
                }
                CreateDWordField (Arg3, 8, CDW3)
                Local0 = CDW3 & 0x1C
                If (Local0 != CDW3)
                {
                    CDW1 |= 0x10   /* capabilities masked */
                }
                CDW3 = Local0
                Return (Arg3)
            }
        }

        /* What the board decodes besides PCI. */
        Device (MBRD)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xE8000000, 0x10000000)
                IO (Decode16, 0x0402, 0x0402, 1, 1)
                IO (Decode16, 0x0600, 0x0600, 1, 0x0C)
            })
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_DDN, "COM1")
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }

        /* No interrupt: see rtc.c. */
        Device (RTC0)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 1, 2)
            })
        }

        /* Where a panicking kernel says so: pvpanic.c. */
        Device (PEVT)
        {
            Name (_HID, "QEMU0001")
            Name (_UID, 0)
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0505, 0x0505, 1, 1)
            })
        }

        Device (PWRB)
        {
            Name (_HID, EisaId ("PNP0C0C"))
            Name (_UID, 0)
        }

        /* Generic event device: pm.c holds the interrupt until the events were read. */
        Device (GED0)
        {
            Name (_HID, "ACPI0013")
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 9 }
            })
            OperationRegion (EVRG, SystemIO, 0x060C, 1)
            Field (EVRG, ByteAcc, NoLock, WriteAsZeros)
            {
                EVST, 8
            }
            Method (_EVT, 1, Serialized)
            {
                Local0 = EVST
                If ((Local0 & 1) != 0)
                {
                    Notify (PWRB, 0x80)
                }
            }
        }
    }
}
