# SPDX-License-Identifier: BSD-3-Clause
"""
gdb: `via-coros` lists the coroutines of all threads with their back-traces, in a live process and in a core file.

    gdb -x viaduct-gdb.py ...          or, in gdb,  source viaduct-gdb.py
    (gdb) via-coros                    every coroutine, and the back-trace of each suspended one
    (gdb) via-coros -q                 the list alone

A suspended coroutine has no frame of its own in gdb.  Its registers lie where the switch has left them, and an
unwinder puts them behind the innermost frame of the selected thread for the time of one back-trace.  The
library's debug information is needed; back-traces are for x86-64 and arm64.
"""
import gdb
from gdb.unwinder import Unwinder, register_unwinder

# How the kinds of fibers are named: by the symbol of the kind, the type that holds the fiber and its names.
KINDS = {"via__coro_kind": ("struct via_coro", "fiber", "name")}
STATES = {0: "created", 1: "suspended", 2: "running", 3: "over"}


class Machine:
    """Where a switch leaves the registers that a function must preserve, and how they are called."""

    def __init__(self, pc, sp, fcontext, fcontext_bytes, ucontext, ucontext_registers):
        self.pc = pc
        self.sp = sp
        self.fcontext = fcontext  # by jump_fcontext(): offsets from the stack pointer that it saves
        self.fcontext_bytes = fcontext_bytes
        self.ucontext = ucontext  # by swapcontext(): the member of uc_mcontext with most, and indices into it
        self.ucontext_registers = ucontext_registers


MACHINES = {
    "i386:x86-64": Machine(
        pc="rip",
        sp="rsp",
        fcontext={"r12": 0x08, "r13": 0x10, "r14": 0x18, "r15": 0x20, "rbx": 0x28, "rbp": 0x30, "rip": 0x38},
        fcontext_bytes=0x40,
        ucontext="gregs",
        ucontext_registers={"r12": 4, "r13": 5, "r14": 6, "r15": 7, "rbp": 10, "rbx": 11, "rsp": 15, "rip": 16},
    ),
    "aarch64": Machine(
        pc="pc",
        sp="sp",
        fcontext={**{"x%d" % n: 0x40 + 8 * (n - 19) for n in range(19, 31)}, "pc": 0xA0},
        fcontext_bytes=0xB0,
        ucontext="regs",
        ucontext_registers={"x%d" % n: n for n in range(19, 31)},
    ),
}


def machine():
    return MACHINES.get(gdb.selected_inferior().architecture().name())


def word(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def list_members(head, container, member):
    """The structs that a struct via__list links."""
    kind = gdb.lookup_type(container)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    at = head["next"]
    while at != head.address:
        yield gdb.Value(int(at) - offset).cast(kind.pointer()).dereference()
        at = at["next"]


def fibers_of(thread):
    """The fibers of a struct via__fiber_thread: each stack in use tells whose it is."""
    pools = thread["stacks"]["pools"]
    first, last = pools.type.range()
    for index in range(first, last + 1):
        slab = pools[index]["slabs"]
        while slab != 0:
            for at in range(int(slab["count"])):
                stack = slab["stacks"][at]
                if int(stack["in_use"]):
                    yield stack["user"].cast(gdb.lookup_type("struct via__fiber").pointer()).dereference()
            slab = slab["next"]


def variable(name):
    return gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)


def address_of(name):
    symbol = variable(name)
    return int(symbol.value().address) if symbol else None


def name_of(fiber):
    entry = next((KINDS[symbol] for symbol in KINDS if address_of(symbol) == int(fiber["kind"])), None)
    if entry is None:
        return "?"
    container, member, name = entry
    kind = gdb.lookup_type(container)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    text = gdb.Value(int(fiber.address) - offset).cast(kind.pointer()).dereference()[name]
    # An array's address is that of its first letter; gdb shows one of no length as empty.
    if text.type.code == gdb.TYPE_CODE_ARRAY:
        text = text.address.cast(gdb.lookup_type("char").pointer())
    return text.string() if int(text) else "?"


def waiting_within(fibers):
    """The fibers that were suspended with a base, by address, with the base's name."""
    within = {}
    for base in fibers:
        at = base["innermost"]
        while STATES.get(int(base["state"])) == "suspended" and at != base.address:
            within[int(at)] = name_of(base)
            at = at["resumer"]
    return within


def saved_registers(fiber):
    here = machine()
    at = int(fiber["context"]["at"])
    # Only fcontext's transfer type is there when that is in use.
    try:
        gdb.lookup_type("struct via__transfer")
    except gdb.error:
        context = gdb.Value(at).cast(gdb.lookup_type("ucontext_t").pointer()).dereference()["uc_mcontext"]
        saved = context[here.ucontext]
        registers = {name: int(saved[index]) for name, index in here.ucontext_registers.items()}
        for name in (here.pc, here.sp):
            if name not in registers:
                registers[name] = int(context[name])
        return registers
    registers = {name: word(at + offset) for name, offset in here.fcontext.items()}
    registers[here.sp] = at + here.fcontext_bytes
    return registers


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class SuspendedUnwinder(Unwinder):
    def __init__(self):
        super().__init__("viaduct-suspended")
        self.registers = None
        self.innermost = None

    def __call__(self, pending):
        if self.registers is None:
            return None
        sp = int(pending.read_register(machine().sp)) & (2**64 - 1)
        if sp != self.innermost:
            return None
        unwind = pending.create_unwind_info(FrameId(gdb.Value(sp), gdb.Value(0)))
        for name, value in self.registers.items():
            unwind.add_saved_register(name, gdb.Value(value).cast(gdb.lookup_type("unsigned long")))
        return unwind


unwinder = SuspendedUnwinder()
register_unwinder(None, unwinder, replace=True)


def back_trace(registers):
    gdb.execute("frame 0", to_string=True)
    unwinder.innermost = int(gdb.parse_and_eval("(unsigned long)$sp"))
    unwinder.registers = registers
    gdb.invalidate_cached_frames()
    try:
        lines = gdb.execute("bt", to_string=True).splitlines()
    finally:
        unwinder.registers = None
        gdb.invalidate_cached_frames()
    # The first frame is the thread's own.
    return [line for line in lines if not line.startswith("#0 ")]


class ViaCoros(gdb.Command):
    """List the coroutines of all threads, with back-traces of the suspended ones: via-coros [-q]"""

    def __init__(self):
        super().__init__("via-coros", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        threads = variable("via__fiber_threads")
        if threads is None:
            raise gdb.GdbError("no debug information of libviaduct here")
        count = 0
        for thread in list_members(threads.value(), "struct via__fiber_thread", "link"):
            fibers = list(fibers_of(thread))
            within = waiting_within(fibers)
            for fiber in fibers:
                count += 1
                self.show(thread, fiber, within.get(int(fiber.address)), argument != "-q")
        print("%d coroutines" % count)

    def show(self, thread, fiber, base, with_trace):
        state = "suspended" if base else STATES.get(int(fiber["state"]), "?")
        where = " within " + base if base else ""
        print("coroutine %s of thread %d: %s%s" % (name_of(fiber), int(thread["id"]), state, where))
        if with_trace and state == "suspended" and machine():
            for line in back_trace(saved_registers(fiber)):
                print("  " + line)


ViaCoros()
