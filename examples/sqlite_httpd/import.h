/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads the Unicode character database into an SQLite file, once. */
#ifndef SQLITE_HTTPD_IMPORT_H
#define SQLITE_HTTPD_IMPORT_H

/* Where the Debian package unicode-data has it. */
#define IMPORT_DATA "/usr/share/unicode/UnicodeData.txt"

/* Makes the database file from the text file, unless it is complete already.  0, or -1 after saying why not.
 */
int import_once(const char *database, const char *data);

#endif
