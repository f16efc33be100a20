/* One update of many tensors. The parts between @ are written from a rule. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define TYPE @TYPE@
#define STATES @STATES@
#define NORMS @NORMS@
#define BLOCK @BLOCK@
/* The loops over elements: independent of each other, but for sums, which may be taken in any order. */
#define PRAGMA(x) _Pragma(#x)
#define EACH PRAGMA(omp simd)
#define SUM(...) PRAGMA(omp simd reduction(+ : __VA_ARGS__))
#define ROOT(x) (sizeof(TYPE) == 4 ? (TYPE)sqrtf((float)(x)) : (TYPE)sqrt((double)(x)))

/* Pieces of a tensor that one thread goes through. Their borders do not depend on the number of threads, and so neither
   do the sums over them. */
#define PIECE 32768
/* Tensors whose passes follow one another while they are in the cache: together at most so many elements. */
#define BATCH 262144

typedef struct {
    TYPE *x;
    const TYPE *g;
    TYPE *s[STATES > 0 ? STATES : 1];
    const double *number;
    double t;
    double scale;
    double *sums;
} tensor;

typedef struct {
    int32_t tensor;
    int32_t piece;
    int64_t from;
    int64_t to;
} piece;

#if STATES > 0
#define STATE0 TYPE *restrict s0 = of->s[0];
#else
#define STATE0
#endif
#if STATES > 1
#define STATE1 TYPE *restrict s1 = of->s[1];
#else
#define STATE1
#endif
#if STATES > 2
#define STATE2 TYPE *restrict s2 = of->s[2];
#else
#define STATE2
#endif
#if STATES > 3
#error "a rule with more than three states needs a line here"
#endif

#define OPEN                                                                                                           \
    TYPE *restrict x = of->x;                                                                                          \
    const TYPE *restrict g = of->g;                                                                                    \
    STATE0 STATE1 STATE2 const double *number = of->number;                                                            \
    const double t = of->t, scale = of->scale;                                                                         \
    (void)x, (void)g, (void)number, (void)t, (void)scale;

#if NORMS == 0
static void only(const tensor *of, int64_t from, int64_t to) {
    OPEN
    @ONLY@
}
#else
static void first(const tensor *of, int64_t from, int64_t to, double *sums) {
    OPEN
    @FIRST@
}

static double scale_of(const double *norm, const double *number, const double t) {
    const double norm0 = norm[0], norm1 = NORMS > 1 ? norm[NORMS > 1] : 0;
    (void)norm0, (void)norm1, (void)number, (void)t;
    @SCALE@
}

static void second(const tensor *of, int64_t from, int64_t to) {
    OPEN
    @SECOND@
}
#endif

/* Lays out pieces of tensors [begin, end); returns how many there are. */
static int64_t lay_out(piece *pieces, const int64_t *sizes, int64_t begin, int64_t end) {
    int64_t n = 0;
    for (int64_t k = begin; k < end; k++)
        for (int64_t from = 0; from < sizes[k]; from += PIECE) {
            piece p = {(int32_t)k, (int32_t)(from / PIECE), from, from + PIECE < sizes[k] ? from + PIECE : sizes[k]};
            pieces[n++] = p;
        }
    return n;
}

/* Updates `count` tensors.
   sizes: elements of each. x, g: their memory. s: that of their states, STATES after one another for each tensor.
   step: where each counts its updates; is raised by one. numbers: the numbers of each. scales: what each step was
   multiplied by. Returns 0, or 1 if there was no memory, in which case nothing was changed. */
int update(int64_t count, const int64_t *sizes, void **x, void **g, void **s, float **step, double **numbers,
           double *scales, int threads) {
    int64_t most = 0, pieces_in_all = 0;
    for (int64_t k = 0; k < count; k++) {
        const int64_t n = (sizes[k] + PIECE - 1) / PIECE;
        pieces_in_all += n;
        if (n > most) most = n;
    }
    tensor *tensors = malloc(sizeof(tensor) * (size_t)(count + 1));
    piece *pieces = malloc(sizeof(piece) * (size_t)(pieces_in_all + 1));
    double *sums = calloc((size_t)((NORMS + 1) * (pieces_in_all + 1)), sizeof(double));
    if (!tensors || !pieces || !sums) {
        free(tensors), free(pieces), free(sums);
        return 1;
    }
    double *next = sums;
    for (int64_t k = 0; k < count; k++) {
        tensor *of = &tensors[k];
        of->x = x[k], of->g = g[k], of->number = numbers[k], of->scale = 1.0;
        for (int j = 0; j < STATES; j++) of->s[j] = s[k * STATES + j];
        of->t = (double)(*step[k] += 1.0f);
        of->sums = next;
        next += NORMS * ((sizes[k] + PIECE - 1) / PIECE);
    }
    for (int64_t begin = 0, end; begin < count; begin = end) {
        int64_t together = 0;
        for (end = begin; end < count && (end == begin || together + sizes[end] <= BATCH); end++) together += sizes[end];
        const int64_t n = lay_out(pieces, sizes, begin, end);
        const int many = n > 1 && together > PIECE ? threads : 1;
        (void)many;
#if NORMS == 0
#pragma omp parallel for num_threads(many) schedule(static) if (many > 1)
        for (int64_t i = 0; i < n; i++) only(&tensors[pieces[i].tensor], pieces[i].from, pieces[i].to);
        for (int64_t k = begin; k < end; k++) scales[k] = 1.0;
#else
#pragma omp parallel for num_threads(many) schedule(static) if (many > 1)
        for (int64_t i = 0; i < n; i++) {
            const tensor *of = &tensors[pieces[i].tensor];
            first(of, pieces[i].from, pieces[i].to, of->sums + NORMS * pieces[i].piece);
        }
        for (int64_t k = begin; k < end; k++) {
            double norm[NORMS] = {0};
            const int64_t own = (sizes[k] + PIECE - 1) / PIECE;
            for (int64_t i = 0; i < own; i++)
                for (int j = 0; j < NORMS; j++) norm[j] += tensors[k].sums[NORMS * i + j];
            for (int j = 0; j < NORMS; j++) norm[j] = sqrt(norm[j]);
            scales[k] = tensors[k].scale = scale_of(norm, tensors[k].number, tensors[k].t);
        }
#pragma omp parallel for num_threads(many) schedule(static) if (many > 1)
        for (int64_t i = 0; i < n; i++) second(&tensors[pieces[i].tensor], pieces[i].from, pieces[i].to);
#endif
    }
    free(tensors), free(pieces), free(sums);
    return 0;
}
