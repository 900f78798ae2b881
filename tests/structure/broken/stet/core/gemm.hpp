#include <Eigen/Core>
inline void f() { require(true, "{}", x.describe()); }
