/* SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <viaduct.h>

enum { MAX_FILE_BYTES = 1 << 20 };

/* Takes the path. */
static int add_file(struct files *files, char *path)
{
    if (files->count == files->room) {
        size_t room = files->room != 0 ? 2 * files->room : 256;
        struct file *file = realloc(files->file, room * sizeof *file);
        if (file == NULL) {
            free(path);
            return -1;
        }
        files->file = file;
        files->room = room;
    }
    files->file[files->count++] = (struct file){.path = path};
    return 0;
}

static int add_below(struct files *files, const char *directory, struct dirent **entries, int count);

static int add_entry(struct files *files, const char *directory, const char *name)
{
    struct dirent **entries;
    struct stat link, target;
    char *path;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return -1;
    int is_there = lstat(path, &link) == 0 && stat(path, &target) == 0;
    /* A pipe or a device may never answer, and a link to a directory may lead round in a circle. */
    if (is_there && !S_ISREG(target.st_mode) && !S_ISDIR(link.st_mode)) {
        files->skipped++;
        free(path);
        return 0;
    }
    int count = is_there && S_ISDIR(link.st_mode) ? scandir(path, &entries, NULL, alphasort) : -1;
    if (count < 0)
        return add_file(files, path); /* a directory that cannot be read is refused as a file would be */
    int rc = add_below(files, path, entries, count);
    free(path);
    return rc;
}

/* Takes the entries. */
static int add_below(struct files *files, const char *directory, struct dirent **entries, int count)
{
    int rc = 0;
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = add_entry(files, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int files_find(const char *directory, struct files *files)
{
    struct dirent **entries;
    *files = (struct files){0};
    int count = scandir(directory, &entries, NULL, alphasort);
    if (count < 0) {
        fprintf(stderr, "crashy_codec: %s: %s\n", directory, strerror(errno));
        return -1;
    }
    if (add_below(files, directory, entries, count) < 0) {
        fprintf(stderr, "crashy_codec: %s: %s\n", directory, strerror(ENOMEM));
        files_free(files);
        return -1;
    }
    for (size_t i = 0; i < files->count; i++)
        files->file[i].name = files->file[i].path + strlen(directory) + 1;
    return 0;
}

void files_free(struct files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        file_forget(&files->file[i]);
        free(files->file[i].path);
        free(files->file[i].reason);
    }
    free(files->file);
    *files = (struct files){0};
}

/* One byte more than is allowed, so that too much is seen. */
static int read_stream(struct file *file, FILE *stream)
{
    file->bytes = malloc(MAX_FILE_BYTES + 1);
    if (file->bytes == NULL)
        return VIA_ENOMEM;
    errno = 0;
    file->length = fread(file->bytes, 1, MAX_FILE_BYTES + 1, stream);
    if (ferror(stream))
        return via_fail(errno, "%s", strerror(errno));
    if (file->length > MAX_FILE_BYTES)
        return via_fail(EFBIG, "%s", strerror(EFBIG));
    unsigned char *bytes = realloc(file->bytes, file->length + 1);
    if (bytes != NULL)
        file->bytes = bytes;
    return 0;
}

int file_read(void *arg, void **unused)
{
    struct file *file = arg;
    FILE *stream = fopen(file->path, "re");
    (void)unused;
    if (stream == NULL)
        return via_fail(errno, "%s", strerror(errno));
    int rc = read_stream(file, stream);
    fclose(stream);
    return rc;
}

void file_forget(struct file *file)
{
    free(file->bytes);
    file->bytes = NULL;
}

void file_note(struct file *file, enum state state, const char *reason)
{
    file->state = state;
    file->reason = reason != NULL ? strdup(reason) : NULL;
}
