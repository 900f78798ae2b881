// Each stage of a model is a type: an FP32 model can be neither calibrated nor converted.
// at most 3 errors
// expect: error.*(convert|QatModel)
// expect: error.*(calibrate|QatModel)
#include <stet/data/shapes.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>

void use(stet::Model& model, stet::QatModel& qat, const stet::Dataset& data) {
#ifdef STET_CONTROL
  (void)model;
  calibrate(qat, data);
  (void)convert(qat);
#else
  (void)qat;
  calibrate(model, data);
  (void)convert(model);
#endif
}

int main() {}
