"""The only code that touches an optimizer's values. One `Driver` counts; a `Writer` per framework writes."""
