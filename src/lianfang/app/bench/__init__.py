"""`lianfang bench`: the figures, measured end to end, with the machine and the load model beside them."""
