/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same rule identifies an object in memory and in its file, so that either can be compared with the
 * other: the first build-id in the first bytes of a note segment; without one, a hash of the executable
 * segments that are not writable.  Code without text relocations, the only kind that is loaded today, is in
 * memory what it is in the file.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if HAVE_GETAUXVAL
#include <sys/auxv.h>
#endif

#include <viaduct/error.h>

#include "process/elf.h"

// So much of a note segment is looked at, and so many segments of a file.
#define NOTE_BYTES  4096
#define HEADERS_MAX 128
#define PIECE_BYTES 4096
#define HASH_START  UINT64_C(14695981039346656037)
#define HASH_FACTOR UINT64_C(1099511628211)
#define BUILD_ID    "GNU"

int via__identity_equal(const struct via__identity *a, const struct via__identity *b)
{
    return a->kind == b->kind && a->bytes == b->bytes && a->bytes <= VIA__IDENTITY_BYTES &&
           memcmp(a->id, b->id, a->bytes) == 0;
}

// ---- the loaded objects ----

// The kernel says where the program's own headers are.  Elsewhere the loader lists the program first.
static int is_program(const struct dl_phdr_info *info, int index)
{
#if HAVE_GETAUXVAL
    (void)index;
    return (uintptr_t)info->dlpi_phdr == getauxval(AT_PHDR);
#else
    (void)info;
    return index == 0;
#endif
}

struct each {
    via__elf_visit_fn visit;
    void *arg;
    int index;
};

static int visit_one(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    struct each *each = arg;
    struct via__loaded loaded = {info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum,
                                 is_program(info, each->index++), info->dlpi_name ? info->dlpi_name : ""};
    (void)bytes;
    return each->visit(each->arg, &loaded);
}

int via__elf_each(via__elf_visit_fn visit, void *arg)
{
    struct each each = {visit, arg, 0};
    return dl_iterate_phdr(visit_one, &each);
}

// Whether the address is in a loaded segment that has all of the flags.
static int in_segment(const struct via__loaded *loaded, uintptr_t address, unsigned flags)
{
    for (unsigned i = 0; i < loaded->count; i++) {
        const ElfW(Phdr) *header = &loaded->headers[i];
        if (header->p_type == PT_LOAD && (header->p_flags & flags) == flags &&
            address - (loaded->base + header->p_vaddr) < header->p_memsz)
            return 1;
    }
    return 0;
}

int via__elf_holds(const struct via__loaded *loaded, const void *address)
{
    return in_segment(loaded, (uintptr_t)address, 0);
}

int via__elf_has_code(const struct via__loaded *loaded, const void *address)
{
    return in_segment(loaded, (uintptr_t)address, PF_X);
}

struct search {
    const void *address; // NULL for the program
    struct via__loaded *found;
};

static int is_sought(void *arg, const struct via__loaded *loaded)
{
    struct search *search = arg;
    if (search->address ? !via__elf_has_code(loaded, search->address) : !loaded->is_program)
        return 0;
    *search->found = *loaded;
    return 1;
}

int via__elf_at(const void *address, struct via__loaded *loaded)
{
    struct search search = {address, loaded};
    return address && via__elf_each(is_sought, &search);
}

int via__elf_program(struct via__loaded *loaded)
{
    struct search search = {NULL, loaded};
    return via__elf_each(is_sought, &search);
}

// ---- identities ----

static size_t padded(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) & ~(unit - 1);
}

// Looks for a build-id among notes: 1 or 0.  The lengths in them are not believed.
static int find_build_id(const unsigned char *notes, size_t bytes, size_t unit,
                         struct via__identity *identity)
{
    ElfW(Nhdr) note;
    for (size_t at = 0; at < bytes && bytes - at >= sizeof note;) {
        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz > bytes || note.n_descsz > bytes)
            return 0;
        size_t name = at + sizeof note, id = at + padded(sizeof note + note.n_namesz, unit);
        at = padded(id + note.n_descsz, unit);
        if (id + note.n_descsz > bytes)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz > 0 && note.n_namesz == sizeof BUILD_ID &&
            memcmp(notes + name, BUILD_ID, sizeof BUILD_ID) == 0) {
            identity->kind = VIA__IDENTITY_BUILD_ID;
            identity->bytes = note.n_descsz < VIA__IDENTITY_BYTES ? note.n_descsz : VIA__IDENTITY_BYTES;
            memcpy(identity->id, notes + id, identity->bytes);
            return 1;
        }
    }
    return 0;
}

// Adds bytes to a hash, in words; only the last piece may have a length that is no multiple of one.
static uint64_t add_bytes(uint64_t hash, const unsigned char *bytes, size_t count)
{
    uint64_t word;
    for (; count >= sizeof word; bytes += sizeof word, count -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = (hash ^ word) * HASH_FACTOR;
    }
    word = 0;
    memcpy(&word, bytes, count);
    return count ? (hash ^ word) * HASH_FACTOR : hash;
}

static int is_hashed(const ElfW(Phdr) * header)
{
    return header->p_type == PT_LOAD && (header->p_flags & PF_X) && (header->p_flags & PF_R) &&
           !(header->p_flags & PF_W);
}

static uint64_t add_header(uint64_t hash, const ElfW(Phdr) * header)
{
    uint64_t place[2] = {header->p_vaddr, header->p_filesz};
    return add_bytes(hash, (const unsigned char *)place, sizeof place);
}

static void set_hash(struct via__identity *identity, uint64_t hash)
{
    identity->kind = VIA__IDENTITY_HASH;
    identity->bytes = sizeof hash;
    memcpy(identity->id, &hash, sizeof hash);
}

static size_t note_unit(const ElfW(Phdr) * header)
{
    return header->p_align == 8 ? 8 : 4;
}

static size_t note_bytes(const ElfW(Phdr) * header)
{
    return header->p_filesz < NOTE_BYTES ? header->p_filesz : NOTE_BYTES;
}

void via__elf_identity(const struct via__loaded *loaded, struct via__identity *identity)
{
    memset(identity, 0, sizeof *identity);
    for (unsigned i = 0; i < loaded->count; i++) {
        const ElfW(Phdr) *header = &loaded->headers[i];
        uintptr_t at = loaded->base + header->p_vaddr;
        size_t bytes = note_bytes(header);
        if (header->p_type == PT_NOTE && bytes > 0 && in_segment(loaded, at, PF_R) &&
            in_segment(loaded, at + bytes - 1, PF_R) &&
            find_build_id((const unsigned char *)at, bytes, note_unit(header), identity))
            return;
    }
    uint64_t hash = HASH_START;
    for (unsigned i = 0; i < loaded->count; i++) {
        const ElfW(Phdr) *header = &loaded->headers[i];
        if (is_hashed(header))
            hash = add_bytes(add_header(hash, header),
                             (const unsigned char *)(loaded->base + header->p_vaddr), header->p_filesz);
    }
    set_hash(identity, hash);
}

// ---- files ----

// 0; VIA_EINVAL if the file is shorter; another negative errno.
static int read_at(int fd, uint64_t offset, void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(fd, (char *)data + done, bytes - done, (off_t)(offset + done));
        if (got == 0)
            return VIA_EINVAL;
        if (got < 0 && errno != EINTR)
            return -errno;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static int hash_in_file(int fd, const ElfW(Phdr) * header, uint64_t *hash)
{
    unsigned char piece[PIECE_BYTES];
    *hash = add_header(*hash, header);
    for (uint64_t done = 0; done < header->p_filesz;) {
        size_t bytes = header->p_filesz - done < sizeof piece ? header->p_filesz - done : sizeof piece;
        int rc = read_at(fd, header->p_offset + done, piece, bytes);
        if (rc < 0)
            return rc;
        *hash = add_bytes(*hash, piece, bytes);
        done += bytes;
    }
    return 0;
}

// Whether a note segment of a file has the build-id: 1, 0 or a negative errno.
static int note_in_file(int fd, const ElfW(Phdr) * header, struct via__identity *identity)
{
    unsigned char notes[NOTE_BYTES];
    size_t bytes = note_bytes(header);
    int rc = read_at(fd, header->p_offset, notes, bytes);
    return rc < 0 ? rc : find_build_id(notes, bytes, note_unit(header), identity);
}

static int file_header(int fd, unsigned index, const ElfW(Ehdr) * file, ElfW(Phdr) * header)
{
    return read_at(fd, file->e_phoff + index * sizeof *header, header, sizeof *header);
}

static int is_elf(const ElfW(Ehdr) * file)
{
    return memcmp(file->e_ident, ELFMAG, SELFMAG) == 0 &&
           file->e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
           file->e_phentsize == sizeof(ElfW(Phdr)) && file->e_phnum <= HEADERS_MAX;
}

int via__elf_file_identity(int fd, struct via__identity *identity)
{
    ElfW(Ehdr) file;
    ElfW(Phdr) header;
    struct stat st;
    struct via__identity found = {0};
    uint64_t hash = HASH_START;
    int rc = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : VIA_EINVAL;
    if (rc == 0)
        rc = read_at(fd, 0, &file, sizeof file);
    if (rc == 0 && !is_elf(&file))
        rc = VIA_EINVAL;
    for (unsigned i = 0; rc == 0 && i < file.e_phnum; i++)
        if ((rc = file_header(fd, i, &file, &header)) == 0 && header.p_type == PT_NOTE)
            rc = note_in_file(fd, &header, &found);
    for (unsigned i = 0; rc == 0 && i < file.e_phnum; i++)
        if ((rc = file_header(fd, i, &file, &header)) == 0 && is_hashed(&header))
            rc = hash_in_file(fd, &header, &hash);
    if (rc < 0)
        return rc;
    if (rc == 0)
        set_hash(&found, hash);
    *identity = found;
    return 0;
}
