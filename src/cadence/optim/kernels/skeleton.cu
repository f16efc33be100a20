/* One update of many tensors on a GPU. The parts between @ are written from a rule. */
#define TYPE @TYPE@
#define STATES @STATES@
#define NORMS @NORMS@
#define THREADS @THREADS@
#define PIECE @PIECE@
#define ROOT(x) (sizeof(TYPE) == 4 ? (TYPE)sqrtf((float)(x)) : (TYPE)sqrt((double)(x)))

typedef long long word;

/* What one thread reads and writes at once. */
struct alignas(4 * sizeof(TYPE)) pack {
    TYPE of[4];
};

/* A tensor in the table: parameter, gradient, states, elements, number of its first piece, place of its constants. */
#define WORDS (5 + STATES)

struct piece {
    int tensor;
    int number;
};

#if STATES > 0
#define STATE0 TYPE *__restrict__ s0 = (TYPE *)tensor[2];
#else
#define STATE0
#endif
#if STATES > 1
#define STATE1 TYPE *__restrict__ s1 = (TYPE *)tensor[3];
#else
#define STATE1
#endif
#if STATES > 2
#define STATE2 TYPE *__restrict__ s2 = (TYPE *)tensor[4];
#else
#define STATE2
#endif
#if STATES > 3
#error "a rule with more than three states needs a line here"
#endif

#define OPEN                                                                                                           \
    const piece here = pieces[blockIdx.x];                                                                             \
    const word *tensor = table + (word)WORDS * here.tensor;                                                            \
    TYPE *__restrict__ x = (TYPE *)tensor[0];                                                                          \
    const TYPE *__restrict__ g = (const TYPE *)tensor[1];                                                              \
    STATE0 STATE1 STATE2 const word size = tensor[2 + STATES];                                                         \
    const double *constant = constants + tensor[4 + STATES];                                                           \
    const word from = (word)PIECE * here.number;                                                                       \
    const word to = from + PIECE < size ? from + PIECE : size;                                                         \
    (void)x, (void)g, (void)constant;

#define ALIGNED(pointer) ((word)(pointer) % (word)sizeof(pack) == 0)

#if NORMS == 0
extern "C" __global__ void __launch_bounds__(THREADS)
only(const word *table, const piece *pieces, const double *constants) {
    OPEN
    @ONLY@
}
#else
/* The sum over all threads of a block, in an order that is always the same. */
__device__ double summed(double mine) {
    __shared__ double all[THREADS];
    all[threadIdx.x] = mine;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) all[threadIdx.x] += all[threadIdx.x + half];
    }
    __syncthreads();
    const double sum = all[0];
    __syncthreads();
    return sum;
}

/* sums: NORMS sums of squares for each piece of each tensor. */
extern "C" __global__ void __launch_bounds__(THREADS)
first(const word *table, const piece *pieces, const double *constants, double *sums) {
    OPEN
    @FIRST@
}

__device__ double scale_of(const double *norm, const double *constant) {
    const double norm0 = norm[0], norm1 = NORMS > 1 ? norm[NORMS > 1] : 0;
    (void)norm0, (void)norm1, (void)constant;
    @SCALE@
}

extern "C" __global__ void __launch_bounds__(THREADS)
second(const word *table, const piece *pieces, const double *constants, const double *sums, double *scales) {
    OPEN
    const int own = (int)((size + PIECE - 1) / PIECE);
    const double *part = sums + NORMS * tensor[3 + STATES];
    double norm[NORMS];
    for (int j = 0; j < NORMS; j++) {
        double mine = 0;
        for (int i = threadIdx.x; i < own; i += THREADS) mine += part[NORMS * i + j];
        norm[j] = sqrt(summed(mine));
    }
    const double scale = scale_of(norm, constant);
    if (here.number == 0 && threadIdx.x == 0) scales[here.tensor] = scale;
    @SECOND@
}
#endif
