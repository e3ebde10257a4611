/* SPDX-License-Identifier: BSD-3-Clause */
#include "svg.h"
#include "driver.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* The picture, and the plot's frame in it. */
enum { WIDTH = 840, HEIGHT = 480, LEFT = 80, RIGHT = 800, TOP = 64, BOTTOM = 400, POINTS = 500 };

/* The axis reaches from 10^first to 10^last milliseconds. */
struct axis {
    int first, last;
};

static double x_of(const struct axis *axis, double ms)
{
    double share = (log10(ms) - axis->first) / (axis->last - axis->first);
    return LEFT + fmin(fmax(share, 0), 1) * (RIGHT - LEFT);
}

static double y_of(double share)
{
    return BOTTOM - share * (BOTTOM - TOP);
}

/* Whole decades around all values, and at least one of them. */
static struct axis axis_around(const struct svg_series *series, size_t count)
{
    double least = HUGE_VAL, most = 0;
    for (size_t i = 0; i < count; i++) {
        if (series[i].count == 0)
            continue;
        least = fmin(least, series[i].values_ms[0]);
        most = fmax(most, series[i].values_ms[series[i].count - 1]);
    }
    if (most <= 0)
        return (struct axis){-1, 3};
    struct axis axis = {(int)floor(log10(fmax(least, 0.001))), (int)ceil(log10(fmax(most, 0.002)))};
    if (axis.last <= axis.first)
        axis.last = axis.first + 1;
    return axis;
}

static void write_decade(FILE *file, const struct axis *axis, int decade)
{
    double ms = pow(10, decade), x = x_of(axis, ms);
    fprintf(file, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ccc\"/>\n", x, TOP, x, BOTTOM);
    fprintf(file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g %s</text>\n", x, BOTTOM + 20,
            ms < 1      ? ms * 1000
            : ms < 1000 ? ms
                        : ms / 1000,
            ms < 1      ? "µs"
            : ms < 1000 ? "ms"
                        : "s");
    for (int i = 2; i <= 9 && decade < axis->last; i++)
        fprintf(file, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#eee\"/>\n",
                x_of(axis, i * ms), TOP, x_of(axis, i * ms), BOTTOM);
}

static void write_frame(FILE *file, const struct axis *axis, const char *title)
{
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\""
            " font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
            "<text x=\"%d\" y=\"36\" font-size=\"18\">%s</text>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, title);
    for (int decade = axis->first; decade <= axis->last; decade++)
        write_decade(file, axis, decade);
    for (int percent = 0; percent <= 100; percent += 25) {
        double y = y_of(percent / 100.0);
        fprintf(file, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ccc\"/>\n", LEFT, y, RIGHT,
                y);
        fprintf(file, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>\n", LEFT - 8, y + 4,
                percent);
    }
    fprintf(file,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">latency, from when the request was due</text>\n",
            (LEFT + RIGHT) / 2, BOTTOM + 46);
    fprintf(file,
            "<text transform=\"translate(24 %d) rotate(-90)\" text-anchor=\"middle\">"
            "share of the requests answered within</text>\n",
            (TOP + BOTTOM) / 2);
}

/* The curve through at most POINTS of the values, the least and the greatest among them. */
static void write_curve(FILE *file, const struct axis *axis, const struct svg_series *series)
{
    if (series->count == 0)
        return;
    fprintf(file, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2.5\" points=\"", series->color);
    for (int i = 0; i <= POINTS; i++) {
        double share = (double)i / POINTS;
        fprintf(file, "%.1f,%.1f ", x_of(axis, percentile(series->values_ms, series->count, share)),
                y_of(share));
    }
    fprintf(file, "\"/>\n");
    double p99 = percentile(series->values_ms, series->count, 0.99);
    fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"/>\n", x_of(axis, p99), y_of(0.99),
            series->color);
}

static void write_legend(FILE *file, const struct svg_series *series, int row)
{
    int x = RIGHT - 362, y = BOTTOM - 60 + row * 24;
    fprintf(file,
            "<rect x=\"%d\" y=\"%d\" width=\"362\" height=\"22\" fill=\"#fff\" fill-opacity=\"0.85\"/>\n",
            x - 6, y - 15);
    fprintf(file, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"3\"/>\n", x,
            y - 4, x + 28, y - 4, series->color);
    fprintf(file, "<text x=\"%d\" y=\"%d\">%s: p50 %.2f ms, p99 %.2f ms (dot)</text>\n", x + 36, y,
            series->label, percentile(series->values_ms, series->count, 0.5),
            percentile(series->values_ms, series->count, 0.99));
}

int svg_check(const char *path)
{
    int is_new = access(path, F_OK) < 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    close(fd);
    if (is_new)
        unlink(path);
    return 0;
}

int svg_write(const char *path, const char *title, const struct svg_series *series, size_t count)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return -1;
    struct axis axis = axis_around(series, count);
    write_frame(file, &axis, title);
    for (size_t i = 0; i < count; i++)
        write_curve(file, &axis, &series[i]);
    for (size_t i = 0; i < count; i++)
        write_legend(file, &series[i], (int)i);
    fprintf(file, "</svg>\n");
    int broken = ferror(file);
    return fclose(file) != 0 || broken ? -1 : 0;
}
