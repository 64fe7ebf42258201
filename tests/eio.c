/* Preloaded, makes the disk fail: a read of a file whose path contains $EIO_NAME and that goes
   beyond byte $EIO_AFTER is an input/output error, as read(2) tells of a broken disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int file, off_t at, size_t count)
{
    char link[64], path[4096];
    const char *name = getenv("EIO_NAME"), *after = getenv("EIO_AFTER");
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!name || length <= 0)
        return 0;
    path[length] = 0;
    if (at < 0)
        at = lseek(file, 0, SEEK_CUR);
    return strstr(path, name) && at + (off_t)count > (after ? atoll(after) : 0);
}

ssize_t read(int file, void *to, size_t count)
{
    static ssize_t (*real)(int, void *, size_t);
    if (!real)
        real = dlsym(RTLD_NEXT, "read");
    if (!fails(file, -1, count))
        return real(file, to, count);
    errno = EIO;
    return -1;
}

#define PREAD(function)                                                     \
    ssize_t function(int file, void *to, size_t count, off_t at)            \
    {                                                                       \
        static ssize_t (*real)(int, void *, size_t, off_t);                 \
        if (!real)                                                          \
            real = dlsym(RTLD_NEXT, #function);                             \
        if (!fails(file, at, count))                                        \
            return real(file, to, count, at);                               \
        errno = EIO;                                                        \
        return -1;                                                          \
    }

PREAD(pread)
PREAD(pread64)
